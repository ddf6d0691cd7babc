"""Letting pass: what a program must return at hooks that ask it for a verdict.

A program that is measured at any hook returns 0.  That drops the packet at some hooks of the
network, and refuses the call at others.  At security hooks 0 lets pass, and a program that returns
something else refuses what the call, and the measuring process, do.  So there a program returns
what lets pass, whatever it was written to return.
"""

from __future__ import annotations

import struct
from dataclasses import replace

from ebpf_overhead.bpf.loading import Details
from ebpf_overhead.bpf.syscall import ProgType, TraceAttachType
from ebpf_overhead.programs.code_flow import Code
from ebpf_overhead.programs.insn import EXIT, SET, SET_32, Insn

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
_INSN_BYTES = 8
# How many instructions are added, behind the program's own.
_ADDED = 2
_JUMP = 0x05  # BPF_JMP | BPF_JA


def passing(code: bytes, prog_type: ProgType, attach: TraceAttachType) -> bytes:
    """Return a program that lets everything pass, where it is asked for a verdict.

    Parameters
    ----------
    code : bytes
        The program, 8 bytes per instruction.
    prog_type : ProgType
        What it is loaded as.
    attach : TraceAttachType
        The kind of hook that it is loaded for.
    """
    verdict = 0 if attach in _GOES_ON_WITH_0 else _PASSES.get(prog_type)
    if verdict is None or (verdict == 0 and _returns_0(code)):
        return code
    flow, made = Code(code, {}), bytearray(code)
    end = _own_end(flow)
    for index in flow.starts:
        each = flow.slots[index]
        if index >= end:
            break
        if each.code == EXIT:
            _put(made, index, Insn(_JUMP, off=end - index - 1))
        elif (flow.target(index) or 0) >= end:  # another of its functions, which moves
            _put(made, index, each._replace(imm=each.imm + _ADDED))
    at = end * _INSN_BYTES
    made[at:at] = bytes(Insn(SET, imm=verdict)) + bytes(Insn(EXIT))
    return bytes(made)


def details_moved(details: Details, code: bytes) -> Details:
    """Return what the kernel is told of a program that `passing` has changed.

    The functions that it calls lie behind the instructions that were added.  Of lines the kernel is
    told nothing then.

    Parameters
    ----------
    details : Details
        What it was told of the program as it was.
    code : bytes
        The program as it was.
    """
    flow = Code(code, {})
    end = _own_end(flow)
    if end == len(flow.slots):
        return details
    rows, first = bytearray(details.functions), struct.Struct("=I")
    for at in range(0, len(rows), details.function_bytes or 1):
        (index,) = first.unpack_from(rows, at)
        first.pack_into(rows, at, index + _ADDED if index >= end else index)
    return replace(details, functions=bytes(rows), lines=b"")


def _own_end(flow: Code) -> int:
    """Return where the instructions of a program end, and those of the functions it calls begin."""
    return flow.entries[1] if len(flow.entries) > 1 else len(flow.slots)


def _put(made: bytearray, index: int, insn: Insn) -> None:
    made[index * _INSN_BYTES : (index + 1) * _INSN_BYTES] = bytes(insn)


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
        if each.code in (SET, SET_32) and each.dst_reg == 0:
            after = each.imm == 0
        else:
            after = zero[index] and not each.defined & 1
        for following in flow.successors(index):
            known = zero.get(following)
            if known is None or known > after:
                zero[following] = after
                todo.append(following)
    return all(zero[index] for index in zero if flow.slots[index].code == EXIT)
