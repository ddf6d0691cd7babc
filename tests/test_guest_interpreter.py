"""What a guest's interpreter finds compiled already."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from ebpf_overhead.guest.interpreter import compile_sources


def test_sources_are_compiled_whatever_this_process_writes(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    (tmp_path / "inside").mkdir()
    good, bad = tmp_path / "inside/good.py", tmp_path / "bad.py"
    good.write_text("VALUE = 1\n")
    bad.write_text("VALUE = \n")
    compile_sources(tmp_path)
    compiled = importlib.util.cache_from_source(str(good))
    assert Path(compiled).is_file()


def test_what_cannot_be_compiled_is_left_to_the_guest(tmp_path, capfd):
    compile_sources(tmp_path / "absent")
    assert capfd.readouterr() == ("", "")
