"""``scripts/measure-all``: what it measures is what the pages say, and goes into them."""

from __future__ import annotations

import re
import shutil

import pytest
import script_modules
from processes import ROOT

RECORDS = ROOT / "tests/data/records"


@pytest.fixture
def script(monkeypatch, tmp_path):
    module = script_modules.load("measure-all")
    monkeypatch.setattr(module, "WORK", tmp_path / "work")
    module.WORK.mkdir()
    return module


def test_the_pages_have_the_commands_that_the_script_runs(script):
    for part in script.PARTS.values():
        text = (ROOT / "docs" / part.page).read_text()
        mark = f"<!-- {part.mark}:(?:begin|end) -->\n"
        _, written, _ = re.split(mark, text)
        assert [line[4:] for line in written.splitlines() if line.startswith("    ")] == [
            *part.lines()
        ]
        assert not part.figure or f"]({part.figure})" in written


def test_a_share_of_the_time(script):
    words = script.PARTS["targets"].commands[0]
    assert [*script.with_share(words, 0.1)][-4:] == ["--time", "36s", "--precision", "1%"]
    words = script.PARTS["attach-latency"].commands[0]
    assert [*script.with_share(words, 0.1)][-1] == "8"


def test_it_does_not_begin_while_the_machine_is_busy(script, monkeypatch, capsys):
    monkeypatch.setattr(script.os, "getloadavg", lambda: (2.0, 0.0, 0.0))
    monkeypatch.setattr(script.os, "cpu_count", lambda: 2)
    with pytest.raises(SystemExit) as ended:
        script.refuse_busy(False)
    assert ended.value.code == 4
    assert "2.00 tasks on 2 CPUs" in capsys.readouterr().err
    script.refuse_busy(True)


def test_a_part_is_written_with_its_figure(script, tmp_path):
    pytest.importorskip("matplotlib")
    shutil.copy(RECORDS / "scaling_1.json", script.kept("scaling", 0))
    page = tmp_path / "scaling.md"
    page.write_text("before\n<!-- native:begin -->\nold\n<!-- native:end -->\nafter\n")
    script.write("scaling", tmp_path)
    text = page.read_text()
    assert text.startswith("before\n<!-- native:begin -->\nMeasured on 20")
    assert "    ebpf-overhead study scaling --time 90s\n" in text
    assert re.search(r"!\[.+\]\(scaling\.svg\)\n\n\*By these commands, 20.+\.\*\n\n", text)
    assert "| Program | CPUs |" in text
    assert text.endswith("|\n<!-- native:end -->\nafter\n")
    assert (tmp_path / "scaling.svg").stat().st_size
