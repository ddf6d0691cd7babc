"""Symbols of programs and libraries, and a library that is kept quiet."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from processes import open_descriptors

from ebpf_overhead.programs import bcc_symbols
from ebpf_overhead.programs.bcc_symbols import captured_stderr
from ebpf_overhead.workload import _workload


@pytest.mark.usefixtures("bcc_installed")
def test_function_of_a_file():
    path, symbol, offset = _workload.workload_symbol()
    assert bcc_symbols.file_offset(path, symbol) == offset
    assert bcc_symbols.file_offset(path, "no_such_function") is None


@pytest.mark.usefixtures("bcc_installed")
def test_library_by_its_short_name():
    assert Path(bcc_symbols.library_file("c")).name.startswith("libc")
    assert bcc_symbols.library_file("no-such-library") is None


def test_captured_stderr_takes_what_c_code_writes(capfd):
    with captured_stderr() as log:
        os.write(2, b"from C\n")
        print("from Python", file=sys.stderr, flush=True)
        assert log == [], "there is nothing before the end of the block"
    os.write(2, b"after\n")
    assert log[0].splitlines()[0] == "from C"
    assert capfd.readouterr().err.endswith("after\n")


def fail_while_capturing(log: list[list[str]]) -> None:
    with captured_stderr() as captured:
        log.append(captured)
        os.write(2, b"\xff half\n")
        raise ZeroDivisionError


def test_captured_stderr_gives_it_back_after_an_exception(capfd):
    before = open_descriptors()
    logs: list[list[str]] = []
    for _ in range(20):
        with pytest.raises(ZeroDivisionError):
            fail_while_capturing(logs)
    assert logs == [["\N{REPLACEMENT CHARACTER} half\n"]] * 20
    assert open_descriptors() == before
    os.write(2, b"heard again\n")
    assert capfd.readouterr().err == "heard again\n"
