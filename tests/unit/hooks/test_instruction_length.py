"""Lengths of x86_64 instructions, and where functions return."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from ebpf_overhead.hooks.instruction_length import length_of
from ebpf_overhead.workload import _workload


@pytest.mark.parametrize(
    "code",
    [
        "c3",
        "55",
        "4889e5",
        "488d6c2418",
        "4c8da42460feffff",
        "493b6610",
        "48b80102030405060708",
        "b801020304",
        "66b80102",
        "f60701",
        "f6d0",
        "f70701020304",
        "66f7070102",
        "48a10102030405060708",
        "67a101020304",
        "c21000",
        "c8100000",
        "e801020304",
        "0f8401020304",
        "7402",
        "0fba6004 07".replace(" ", ""),
        "660f3a0fc108",
        "0f38f0042500000000",
        "c5f877",
        "c5f9ef05 01020304".replace(" ", ""),
        "c4e37d39c101",
        "64c4e37d390001",
        "62f17c48104001",
        "64488b042528000000",
        "488b0501020304",
    ],
)
def test_length(code):
    whole = bytes.fromhex(code)
    assert length_of(whole + bytes(16)) == len(whole)


def test_code_that_ends_in_the_middle():
    with pytest.raises(IndexError):
        length_of(bytes.fromhex("0f"))


def test_disassembler_finds_the_same():
    tool = shutil.which("objdump")
    if tool is None or "function_nop5" not in _workload.WORKLOADS:
        pytest.skip("objdump is not installed, or this is no x86_64 machine")
    path = _workload.workload_symbol()[0]
    listing = subprocess.run(
        [tool, "-d", "-w", "--insn-width=16", path], capture_output=True, text=True, check=True
    ).stdout
    seen = re.findall(r"^ +[0-9a-f]+:\t((?:[0-9a-f]{2} )+)", listing, re.MULTILINE)
    assert len(seen) > 1000
    for text in seen:
        assert length_of(bytes.fromhex(text) + bytes(16)) == len(bytes.fromhex(text)), text
