"""What shipped programs are told about this machine and this process, at load."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ebpf_overhead.bpf import _syscalls
from ebpf_overhead.bpf.maps import possible_cpus
from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.programs.catalogue import Program
from ebpf_overhead.programs.program_object import Constant

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


@dataclass(frozen=True)
class LoadValues:
    """What a program is given when it is loaded.

    Attributes
    ----------
    constants : dict of str to int
        Numbers in its instructions.
    max_entries : dict of str to int
        Sizes of its maps.
    """

    constants: dict[str, int] = field(default_factory=dict)
    max_entries: dict[str, int] = field(default_factory=dict)


_PROCESS = (Constant("FILTER_PID"),)
_TEXT = (
    Constant("TARGET_TEXT", 64),
    Constant("TARGET_NS_DEV"),
    Constant("TARGET_NS_INO", 64),
    Constant("TARGET_NS_PID"),
)

# The constants of programs that have any.
CONSTANTS = {
    "filter_match": _PROCESS,
    "filter_mismatch": _PROCESS,
    "probe_read_user": _TEXT,
    "probe_read_user_str": _TEXT,
}


def load_values(program: Program) -> LoadValues:
    """Return what a program is given when it is loaded into this process.

    Raises
    ------
    UnsupportedError
        It cannot be told here.
    """
    machine = _MACHINE.get(program.name) or _MACHINE.get(program.file)
    return machine() if machine else LoadValues()


def _complex_entries() -> LoadValues:
    # Kernel threads have no command line, and make no system calls.
    processes = sum(1 for path in Path("/proc").glob("[0-9]*/cmdline") if _has_text(path))
    wanted = 1 << (2 * processes * _COMPLEX_KEYS_PER_PROCESS - 1).bit_length()
    entries = min(max(wanted, _COMPLEX_ENTRIES_MIN), _COMPLEX_ENTRIES_MAX)
    return LoadValues(max_entries={"counts": entries})


def _has_text(path: Path) -> bool:
    try:
        return bool(path.read_bytes())
    except OSError:  # the process is gone
        return False


def _this_process() -> LoadValues:
    # Programs see process ids as the first namespace has them.
    if str(Path("/proc/self/ns/pid").readlink()) != _FIRST_PID_NAMESPACE:
        raise UnsupportedError(
            "process ids are not the kernel's here: this is a namespace of its own",
            "measure outside of the container",
        )
    return LoadValues({"FILTER_PID": os.getpid()})


def _text_in_this_process() -> LoadValues:
    # Written here, so that it is in memory: programs cannot wait for a page, and one that is
    # shared is not there in a forked process until it is touched.
    _page[:64] = b"x" * 63 + b"\0"
    namespace = Path("/proc/self/ns/pid").stat()
    return LoadValues(
        {
            "TARGET_TEXT": _syscalls.address(_page),
            "TARGET_NS_DEV": namespace.st_dev,
            "TARGET_NS_INO": namespace.st_ino,
            "TARGET_NS_PID": os.getpid(),
        }
    )


_MACHINE: dict[str, Callable[[], LoadValues]] = {
    "complex": _complex_entries,
    "filter_match": _this_process,
    "filter_mismatch": lambda: LoadValues({"FILTER_PID": _NO_PID}),
    "map_state": lambda: LoadValues(max_entries={"workers": possible_cpus()}),
    "probe_read_user": _text_in_this_process,
    "probe_read_user_str": _text_in_this_process,
}
