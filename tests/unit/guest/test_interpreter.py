"""What a guest's interpreter finds compiled already."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from ebpf_overhead.guest import interpreter
from ebpf_overhead.guest.interpreter import compile_sources


def test_interpreter_is_asked_about_itself_and_nothing_else(tmp_path, monkeypatch):
    """Modules of the current directory may be another user's."""
    (tmp_path / "json.py").write_text("raise SystemExit('was run')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    interpreter._ask.cache_clear()
    assert interpreter.inspect(sys.executable).executable == sys.executable
    assert tmp_path not in interpreter.inspect(sys.executable).needed


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
