"""The files that a warm interpreter works with."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from ebpf_overhead.guest import agent, interpreter


def test_modules_libraries_loader_and_configuration():
    files = interpreter.loaded(sys.executable, "json", "ctypes")
    assert {json.__file__, agent.__file__, sys.executable} <= set(files)
    assert any(Path(path).name.startswith("libc.so") for path in files)
    assert any(Path(path).name.startswith("ld-linux") for path in files)
    assert any(path.endswith(".pth") for path in files)
    assert all(Path(path).exists() for path in files)


def test_what_a_module_opens_when_it_is_imported(tmp_path):
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv/bin/python"
    site = next((tmp_path / "venv/lib").glob("python*/site-packages"))
    (site / "prints.py").write_text(f"print('hello'); open({str(site / 'data')!r}).read()")
    (site / "data").write_text("data")
    files = interpreter.loaded(str(python), "prints", "no_such_module")
    assert {str(site / "data"), str(site / "prints.py"), str(python)} <= set(files)
    assert str(tmp_path / "venv/pyvenv.cfg") in files


@pytest.mark.parametrize("entry", ["signal:pause", "sys:exit"])
def test_functions_are_not_called(entry):
    assert interpreter.loaded(sys.executable, entry)


def test_all_that_is_imported_is_among_them():
    files = interpreter.loaded(sys.executable, "decimal")
    code = "import decimal, sys; print(*(getattr(m, '__file__', '') for m in sys.modules.values()))"
    done = subprocess.run(
        [sys.executable, "-s", "-c", code], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) - {"None"} <= set(files)
