"""How the kernel executes the instruction that a uprobe replaces."""

from __future__ import annotations

import pytest

from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.hooks import elf
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.hooks.first_instruction import first_instruction

OFFSET = 64


def at(tmp_path, code: str, machine: int = elf.X86_64) -> AttachPoint:
    """A file with code behind the beginning of an ELF header."""
    header = b"\x7fELF" + bytes([1 if machine == elf.I386 else 2, 1]) + bytes(12)
    path = tmp_path / f"{machine}-{code}"
    start = (header + machine.to_bytes(2, "little")).ljust(OFFSET, b"\0")
    path.write_bytes(start + bytes.fromhex(code))
    return AttachPoint(str(path), OFFSET, str(path))


@pytest.mark.parametrize(
    ("code", "name", "workload"),
    [
        ("90 c3", "nop (emulated)", "function"),
        ("6690", "nop (emulated)", "function"),
        ("0f1f440000", "nop of 5 bytes", "function_nop5"),
        ("662e0f1f840000000000", "nop of 10 bytes", "function_nop10"),
        ("0f1f4000", "nop of several bytes", ""),
        ("66662e0f1f840000000000", "nop of several bytes", ""),
        ("55 4889e5", "push (emulated)", "function_push"),
        ("53", "push (emulated)", "function_push"),
        ("4154", "push (emulated)", "function_push"),
        ("4055", "an instruction that is single-stepped", "function_ret"),
        ("6655", "an instruction that is single-stepped", "function_ret"),
        ("e9 00000000", "jump (emulated)", "function"),
        ("eb 00", "jump (emulated)", "function"),
        ("75 10", "jump (emulated)", "function"),
        ("0f84 00000000", "jump (emulated)", "function"),
        ("f2 e9 00000000", "jump (emulated)", "function"),
        ("e8 00000000", "call (emulated)", "function_push"),
        ("85ff", "an instruction that is single-stepped", "function_ret"),
        ("f30f1efa", "an instruction that is single-stepped", "function_ret"),
        ("c3", "an instruction that is single-stepped", "function_ret"),
        ("e3 10", "an instruction that is single-stepped", "function_ret"),
        ("0f", "an instruction that is single-stepped", "function_ret"),
        ("", "an instruction that is single-stepped", "function_ret"),
    ],
)
def test_x86_64(tmp_path, code, name, workload):
    found = first_instruction(at(tmp_path, code))
    assert (found.name, found.workload) == (name, workload)


def test_prefixes_of_64_bit_code_are_instructions_of_32_bit_code(tmp_path):
    assert first_instruction(at(tmp_path, "4154", elf.I386)).workload == "function_ret"
    assert first_instruction(at(tmp_path, "55", elf.I386)).workload == "function_push"


@pytest.mark.parametrize(
    ("code", "workload"),
    [
        ("1f2003d5", "function"),
        ("fd7bbfa9", "function_push"),
        ("fd7bb3a9", "function_push"),
        ("c0035fd6", "function_ret"),
    ],
)
def test_arm64(tmp_path, code, workload):
    assert first_instruction(at(tmp_path, code, elf.AARCH64)).workload == workload


def test_what_is_not_known_is_said(tmp_path):
    with pytest.raises(UnsupportedError, match=r"d503233f.*not known"):
        first_instruction(at(tmp_path, "3f2303d5", elf.AARCH64))
    with pytest.raises(UnsupportedError, match="a machine that is not known"):
        first_instruction(at(tmp_path, "00", 243))
