"""What the JIT made of a program: the instructions of the machine, as the kernel shows them."""

from __future__ import annotations

from ctypes import addressof, create_string_buffer

from ebpf_overhead.bpf.infos import BpfProgInfo
from ebpf_overhead.bpf.syscall import object_info
from ebpf_overhead.errors import RefusedError, UnsupportedError


def native_code(prog_fd: int) -> bytes:
    """Return the instructions of the machine that a loaded program became.

    Raises
    ------
    UnsupportedError
        The kernel interprets programs.
    RefusedError
        The kernel hides them from this process.
    """
    told = BpfProgInfo()
    object_info(prog_fd, told)
    length_bytes = told.jited_prog_len
    if not length_bytes:
        raise UnsupportedError(
            "the kernel interprets BPF programs: no code of the JIT",
            "switch it on: sysctl net.core.bpf_jit_enable=1",
        )
    code = create_string_buffer(length_bytes)
    asked = BpfProgInfo()
    asked.jited_prog_len, asked.jited_prog_insns = length_bytes, addressof(code)
    object_info(prog_fd, asked)
    if not asked.jited_prog_insns or not any(code.raw):
        raise RefusedError(
            "the kernel hides the code of the JIT (kernel.kptr_restrict, or no CAP_SYSLOG)",
            "run as root, with kernel.kptr_restrict=0",
        )
    return code.raw
