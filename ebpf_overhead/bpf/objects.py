"""What the kernel has loaded: programs, links, and the memory of maps.

Each descriptor is closed immediately after use.  So a program is unloaded when its owner
closes it, whether or not it was looked at.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import c_uint32
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from ebpf_overhead.bpf import _syscalls
from ebpf_overhead.bpf.infos import BpfProgInfo
from ebpf_overhead.bpf.privileges import kept_back
from ebpf_overhead.bpf.structures import IdAttr
from ebpf_overhead.bpf.syscall import BpfCommand, ProgType, call, object_info
from ebpf_overhead.errors import OverheadError, RefusedError, UnsupportedError

_MAPS_MAX = 64  # the verifier's MAX_USED_MAPS


@dataclass(frozen=True)
class KernelProgram:
    """A loaded program, as ``struct bpf_prog_info`` describes it.

    Attributes
    ----------
    number : int
        The kernel's id.
    kind : str
        Type of program.
    name, tag : str
        The name it was loaded with, of 15 characters at most; a hash of its instructions.
    map_ids : tuple of int
        Ids of its maps.
    run_count : int
        Runs counted while statistics were on.
    run_time_ns : int
        Time of those runs, as measured by the kernel.
    missed : int
        Runs skipped because the program was already running on that CPU.
    btf_object, btf_id : int
        Ids of the type that a tracing program was loaded for; 0 where the kernel does not say.
    """

    number: int
    kind: str
    name: str
    tag: str
    map_ids: tuple[int, ...]
    run_count: int
    run_time_ns: int
    missed: int = 0
    btf_object: int = 0
    btf_id: int = 0


def programs() -> dict[int, KernelProgram]:
    """Return all loaded programs by id.

    Raises
    ------
    RefusedError
        Privileges are missing.
    UnsupportedError
        The kernel has no BPF.
    """
    with _walking():
        read = ((number, program(number)) for number in ids(BpfCommand.PROG_GET_NEXT_ID))
        return {number: each for number, each in read if each is not None}


def program(number: int) -> KernelProgram | None:
    """Return a loaded program; None if it is gone."""
    with opened(BpfCommand.PROG_GET_FD_BY_ID, number) as fd:
        return None if fd is None else _program(fd)


def program_ids() -> set[int]:
    """Return the ids of all loaded programs.

    Raises
    ------
    RefusedError
        Privileges are missing.
    UnsupportedError
        The kernel has no BPF.
    """
    with _walking():
        return set(ids(BpfCommand.PROG_GET_NEXT_ID))


def ids(command: BpfCommand) -> Iterator[int]:
    """Yield the ids of all objects of a kind in ascending order.

    Parameters
    ----------
    command : BpfCommand
        The kind's ``GET_NEXT_ID``.
    """
    attribute = IdAttr()
    while True:
        try:
            call(command, attribute)
        except FileNotFoundError:
            return
        attribute.start_id = attribute.next_id
        yield attribute.next_id


@contextmanager
def opened(command: BpfCommand, number: int) -> Iterator[int | None]:
    """Yield a descriptor of an object while the block runs; None if it is gone, or not ready."""
    try:
        fd = call(command, IdAttr(number))
    except (FileNotFoundError, BlockingIOError):
        # EAGAIN is that of a link that is just being made (bpf_link_by_id, kernel/bpf/syscall.c).
        yield None
        return
    try:
        yield fd
    finally:
        os.close(fd)


def _program(fd: int) -> KernelProgram:
    map_ids = (c_uint32 * _MAPS_MAX)()
    told = BpfProgInfo(nr_map_ids=_MAPS_MAX, map_ids=_syscalls.address(map_ids))
    object_info(fd, told)
    return KernelProgram(
        number=told.id,
        kind=name_of(ProgType, told.type) or f"type {told.type}",
        name=told.name.decode(errors="replace"),
        tag=bytes(told.tag).hex(),
        map_ids=tuple(map_ids[: told.nr_map_ids]),
        run_count=told.run_cnt,
        run_time_ns=told.run_time_ns,
        missed=told.recursion_misses,
        btf_object=told.attach_btf_obj_id,
        btf_id=told.attach_btf_id,
    )


def name_of(kinds: type[IntEnum], number: int) -> str | None:
    """Return the kernel's name of a number, as bpftool shows it; None for one unknown here."""
    try:
        return kinds(number).name.lower()
    except ValueError:
        return None


def map_memory_bytes(number: int) -> int | None:
    """Return the memory that the kernel accounts to a map; None if the map is gone."""
    with opened(BpfCommand.MAP_GET_FD_BY_ID, number) as fd:
        return None if fd is None else held_memory_bytes(fd)


def held_memory_bytes(fd: int) -> int | None:
    """Return the memory that the kernel accounts to a map; None if it does not tell."""
    found = re.search(r"^memlock:\s*(\d+)$", Path(f"/proc/self/fdinfo/{fd}").read_text(), re.M)
    return int(found[1]) if found else None


@contextmanager
def _walking() -> Iterator[None]:
    """Say of a failure in the block that programs cannot be listed, and why."""
    try:
        yield
    except OSError as error:
        raise _cannot_walk(error) from error


def _cannot_walk(error: OSError) -> OverheadError:
    name = errno.errorcode.get(error.errno or 0, str(error.errno))
    if error.errno in (errno.EPERM, errno.EACCES):
        why = kept_back() or f"{name} from {error.strerror}"
        return RefusedError(
            f"listing the kernel's BPF programs needs CAP_SYS_ADMIN: {why}",
            "run as root, outside of a container",
        )
    return UnsupportedError(
        f"kernel {os.uname().release} does not list BPF programs: {name} from {error.strerror}",
        "use Linux 5.8 or newer with CONFIG_BPF_SYSCALL=y",
    )
