"""Letting pass: what a program must return at hooks of the network, which ask it for a verdict.

A program that is measured at any hook returns 0.  That drops the packet at some, and refuses the
call at others: so there it returns what lets pass, whatever it was written to return.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ebpf_overhead.bpf.structures import LOAD_64
from ebpf_overhead.bpf.syscall import ProgType
from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.programs.insn import CALL, EXIT, PSEUDO_CALL, Insn

# XDP_PASS; TCX_NEXT and TC_ACT_UNSPEC, so that those behind it run, too; 1 for a cgroup's hooks.
# They are of include/uapi/linux/bpf.h and pkt_cls.h.
_PASSES = {
    ProgType.XDP: 2,
    ProgType.SCHED_CLS: -1,
    ProgType.CGROUP_SKB: 1,
    ProgType.CGROUP_SOCK_ADDR: 1,
    ProgType.SOCK_OPS: 1,
}
_INSN = struct.Struct("=BBhi")
_JUMP, _MOVE_NUMBER = 0x05, 0xB7  # BPF_JMP | BPF_JA; BPF_ALU64 | BPF_MOV | BPF_K


def passing(code: bytes, prog_type: ProgType, name: str) -> bytes:
    """Return a program that lets everything pass, where it is asked for a verdict.

    Parameters
    ----------
    code : bytes
        The program, 8 bytes per instruction.
    prog_type : ProgType
        What it is loaded as.
    name : str
        Its name, for messages.

    Raises
    ------
    UnsupportedError
        It calls functions of its own: where it ends cannot be told from where they do.
    """
    verdict = _PASSES.get(prog_type)
    if verdict is None:
        return code
    ends, made = list(_ends(code, name)), bytearray(code)
    count = len(code) // _INSN.size
    for index in ends:
        _INSN.pack_into(made, index * _INSN.size, _JUMP, 0, count - index - 1, 0)
    return bytes(made) + bytes(Insn(_MOVE_NUMBER, imm=verdict)) + bytes(Insn(EXIT))


def _ends(code: bytes, name: str) -> Iterator[int]:
    """Yield the places of the instructions that end the program."""
    index = 0
    while index < len(code) // _INSN.size:
        operation, registers, _, _ = _INSN.unpack_from(code, index * _INSN.size)
        if operation == CALL and registers >> 4 == PSEUDO_CALL:
            raise UnsupportedError(
                f"{name} calls functions of its own, and this hook wants a verdict",
                "measure it with its functions inlined",
            )
        if operation == EXIT:
            yield index
        index += 2 if operation == LOAD_64 else 1
