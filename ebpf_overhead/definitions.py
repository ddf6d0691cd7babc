"""What shipped programs need to be told about this machine and this process."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from pathlib import Path

from ebpf_overhead import _syscalls
from ebpf_overhead.catalogue import Program
from ebpf_overhead.errors import UnsupportedError

# Keys that one process can make in the complex program, one for each time % 1024.
_COMPLEX_KEYS_PER_PROCESS = 1024
_COMPLEX_ENTRIES_MIN = 1 << 16
_COMPLEX_ENTRIES_MAX = 1 << 21

# PROC_PID_INIT_INO of include/linux/proc_ns.h.
_FIRST_PID_NAMESPACE = "pid:[4026531836]"
# One more than the kernel ever gives (PID_MAX_LIMIT).
_NO_PID = (1 << 22) + 1

# A page that stays: programs read the text in it.
_page = mmap.mmap(-1, mmap.PAGESIZE)


def definitions(program: Program) -> list[str]:
    """Return ``NAME=value`` for the preprocessor.

    Raises
    ------
    UnsupportedError
        It cannot be told here.
    """
    machine = _MACHINE.get(program.name)
    return [*program.definitions, *(machine() if machine else [])]


def _complex_entries() -> list[str]:
    # Kernel threads have no command line, and make no system calls.
    processes = sum(1 for path in Path("/proc").glob("[0-9]*/cmdline") if _has_text(path))
    wanted = 1 << (2 * processes * _COMPLEX_KEYS_PER_PROCESS - 1).bit_length()
    entries = min(max(wanted, _COMPLEX_ENTRIES_MIN), _COMPLEX_ENTRIES_MAX)
    return [f"COMPLEX_ENTRIES={entries}"]


def _has_text(path: Path) -> bool:
    try:
        return bool(path.read_bytes())
    except OSError:  # the process is gone
        return False


def _this_process() -> list[str]:
    # Programs see process ids as the first namespace has them.
    if str(Path("/proc/self/ns/pid").readlink()) != _FIRST_PID_NAMESPACE:
        raise UnsupportedError(
            "process ids are not the kernel's here: this is a namespace of its own",
            "measure outside of the container",
        )
    return [f"FILTER_PID={os.getpid()}"]


def _text_in_this_process() -> list[str]:
    # Written here, so that it is in memory: programs cannot wait for a page, and one that is
    # shared is not there in a forked process until it is touched.
    _page[:64] = b"x" * 63 + b"\0"
    namespace = Path("/proc/self/ns/pid").stat()
    return [
        f"TARGET_TEXT={_syscalls.address(_page)}ULL",
        f"TARGET_NS_DEV={namespace.st_dev}ULL",
        f"TARGET_NS_INO={namespace.st_ino}ULL",
        f"TARGET_NS_PID={os.getpid()}",
    ]


_MACHINE: dict[str, Callable[[], list[str]]] = {
    "complex": _complex_entries,
    "filter_match": _this_process,
    "filter_mismatch": lambda: [f"FILTER_PID={_NO_PID}"],
    "probe_read_user": _text_in_this_process,
    "probe_read_user_str": _text_in_this_process,
}
