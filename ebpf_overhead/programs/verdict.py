"""Letting pass: what a program must return at hooks that ask it for a verdict.

A program that is measured at any hook returns 0.  That drops the packet at some hooks of the
network, and refuses the call at others.  At security hooks 0 lets pass, and a program that returns
something else refuses what the call, and the measuring process, do.  So there a program returns
what lets pass, whatever it was written to return.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ebpf_overhead.bpf.structures import LOAD_64
from ebpf_overhead.bpf.syscall import ProgType, TraceAttachType
from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.programs.code_flow import Code
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
# Security hooks, and functions whose result a program may replace: 0 goes on.
_GOES_ON_WITH_0 = {TraceAttachType.LSM_MAC, TraceAttachType.MODIFY_RETURN}
_INSN = struct.Struct("=BBhi")
_JUMP, _MOVE_NUMBER = 0x05, 0xB7  # BPF_JMP | BPF_JA; BPF_ALU64 | BPF_MOV | BPF_K
_SETS = (_MOVE_NUMBER, 0xB4)  # the same, with 32 bits


def passing(code: bytes, prog_type: ProgType, attach: TraceAttachType, name: str) -> bytes:
    """Return a program that lets everything pass, where it is asked for a verdict.

    Parameters
    ----------
    code : bytes
        The program, 8 bytes per instruction.
    prog_type : ProgType
        What it is loaded as.
    attach : TraceAttachType
        The kind of hook that it is loaded for.
    name : str
        Its name, for messages.

    Raises
    ------
    UnsupportedError
        It calls functions of its own: where it ends cannot be told from where they do.
    """
    verdict = 0 if attach in _GOES_ON_WITH_0 else _PASSES.get(prog_type)
    if verdict is None or (verdict == 0 and _returns_0(code)):
        return code
    ends, made = list(_ends(code, name)), bytearray(code)
    count = len(code) // _INSN.size
    for index in ends:
        _INSN.pack_into(made, index * _INSN.size, _JUMP, 0, count - index - 1, 0)
    return bytes(made) + bytes(Insn(_MOVE_NUMBER, imm=verdict)) + bytes(Insn(EXIT))


def may_refuse(code: bytes, attach: TraceAttachType) -> bool:
    """Whether a program may refuse the call that it is asked about, if it is not kept from that.

    Parameters
    ----------
    code, attach
        As for `passing`.
    """
    return attach in _GOES_ON_WITH_0 and not _returns_0(code)


def _returns_0(code: bytes) -> bool:
    """Whether it returns 0 whatever happens, as far as its instructions tell."""
    flow = Code(code, {})
    zero, todo = dict.fromkeys(flow.entries[:1], False), flow.entries[:1]
    while todo:
        index = todo.pop()
        each = flow.slots[index]
        if each.code in _SETS and each.dst_reg == 0:
            after = each.imm == 0
        else:
            after = zero[index] and not each.defined & 1
        for following in flow.successors(index):
            known = zero.get(following)
            if known is None or known > after:
                zero[following] = after
                todo.append(following)
    return all(zero[index] for index in zero if flow.slots[index].code == EXIT)


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
