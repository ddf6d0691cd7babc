"""Names of attach points: functions by their addresses and by their BTF ids."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from ebpf_overhead.bpf import btf

_KALLSYMS = Path("/proc/kallsyms")
# The type of a tracepoint in BTF is a typedef with this prefix and the tracepoint's name.
_TRACEPOINT_PREFIX = "btf_trace_"


@cache
def function_at(address: int) -> str | None:
    """Return the kernel function at an address; None where the kernel does not say."""
    found = re.search(rb"^%016x \w (\S+)" % address, _kallsyms(), re.MULTILINE)
    return found[1].decode() if found else None


def _kallsyms() -> bytes:
    try:
        return _KALLSYMS.read_bytes()
    except OSError:
        return b""


def btf_type(object_id: int, type_id: int) -> str:
    """Return the function or tracepoint with a BTF id; empty where it is unknown."""
    return (btf.type_name(object_id, type_id) or "").removeprefix(_TRACEPOINT_PREFIX)
