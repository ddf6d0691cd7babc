"""The house stands as docs/architecture.md draws it: imports run downwards only."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from importlinter import cli

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "ebpf_overhead"
ROOMS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


def test_imports_run_downwards_only(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    broken = cli.lint_imports(no_cache=True)
    assert not broken, capsys.readouterr().out


def test_an_import_that_runs_up_is_found(monkeypatch, capsys, tmp_path):
    """The contract can fail: the same check on a copy with one import too many."""
    text = (ROOT / "pyproject.toml").read_text()
    config = tmp_path / "contract.toml"
    upside_down = text[text.index("[tool.importlinter]") :].replace(
        '"studies",\n    "asv | tools",', '"asv | tools",\n    "studies",'
    )
    assert upside_down != text[text.index("[tool.importlinter]") :]
    config.write_text(upside_down)
    monkeypatch.chdir(ROOT)
    assert cli.lint_imports(config_filename=str(config), no_cache=True)


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_says_what_it_is_for(room):
    text = (PACKAGE / room / "__init__.py").read_text()
    assert text.startswith('"""'), "a room's __init__.py says what it is for"


def test_every_class_has_a_name_of_its_own():
    files = [path.read_text() for path in PACKAGE.rglob("*.py")]
    names = [name for text in files for name in re.findall(r"^class (\w+)", text, re.M)]
    assert names
    assert [name for name, times in Counter(names).items() if times > 1] == []
