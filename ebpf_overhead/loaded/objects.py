"""Walking what the kernel has loaded: programs, links, and the memory of maps.

Nothing is held: a descriptor is closed as soon as it was asked, so that a program which
its owner lets go of is unloaded as if nobody had looked.
"""

from __future__ import annotations

import errno
import os
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ebpf_overhead import _syscalls
from ebpf_overhead.bpf import Command, call
from ebpf_overhead.errors import OverheadError, RefusedError, UnsupportedError

# ``enum bpf_prog_type``, by the names that bpftool shows.
PROG_TYPES = (
    "unspec",
    "socket_filter",
    "kprobe",
    "sched_cls",
    "sched_act",
    "tracepoint",
    "xdp",
    "perf_event",
    "cgroup_skb",
    "cgroup_sock",
    "lwt_in",
    "lwt_out",
    "lwt_xmit",
    "sock_ops",
    "sk_skb",
    "cgroup_device",
    "sk_msg",
    "raw_tracepoint",
    "cgroup_sock_addr",
    "lwt_seg6local",
    "lirc_mode2",
    "sk_reuseport",
    "flow_dissector",
    "cgroup_sysctl",
    "raw_tracepoint_writable",
    "cgroup_sockopt",
    "tracing",
    "struct_ops",
    "ext",
    "lsm",
    "sk_lookup",
    "syscall",
    "netfilter",
)

_PROG_INFO_BYTES = 232
_MAPS_MAX = 64  # the verifier's MAX_USED_MAPS


@dataclass(frozen=True)
class Program:
    """A loaded program, as ``struct bpf_prog_info`` has it.

    Attributes
    ----------
    number : int
        The kernel's id.
    kind : str
        Type of program.
    name, tag : str
        The name it was loaded with, 15 characters at most; a hash of its instructions.
    map_ids : tuple of int
        Its maps.
    run_count : int
        Runs counted while statistics were on.
    run_time_ns : int
        Time of those runs, as the kernel takes it.
    missed : int
        Runs left out, because the program was running already on that CPU.
    btf_object, btf_id : int
        What a tracing program was loaded for; 0 where the kernel does not tell.
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


def programs() -> dict[int, Program]:
    """Return all programs that are loaded, by id.

    Raises
    ------
    RefusedError
        Rights are missing.
    UnsupportedError
        The kernel has no BPF.
    """
    found = {}
    try:
        for number in ids(Command.PROG_GET_NEXT_ID):
            with opened(Command.PROG_GET_FD_BY_ID, number) as fd:
                if fd is not None:
                    found[number] = _program(fd)
    except OSError as error:
        raise _cannot_walk(error) from error
    return found


def ids(command: Command) -> Iterator[int]:
    """Yield the ids of all objects of a kind, ascending; ``command`` is its ``GET_NEXT_ID``."""
    number = 0
    while True:
        try:
            _, attribute = call(command, "I", number)
        except FileNotFoundError:
            return
        (number,) = struct.unpack_from("=I", attribute, 4)
        yield number


@contextmanager
def opened(command: Command, number: int) -> Iterator[int | None]:
    """Yield a descriptor of an object while the block runs; None if it is gone meanwhile."""
    try:
        fd, _ = call(command, "I", number)
    except FileNotFoundError:
        yield None
        return
    try:
        yield fd
    finally:
        os.close(fd)


def info(fd: int, size: int, prepared: bytearray | None = None) -> bytearray:
    """Return what the kernel tells of an object; what it does not know stays zero.

    Parameters
    ----------
    fd : int
        Descriptor of the object.
    size : int
        Bytes asked for.
    prepared : bytearray, optional
        What to hand over instead of zeros: pointers to buffers and their lengths.
    """
    answer = bytearray(size) if prepared is None else prepared
    call(Command.OBJ_GET_INFO_BY_FD, "IIQ", fd, len(answer), _syscalls.address(answer))
    return answer


def _program(fd: int) -> Program:
    map_ids = bytearray(4 * _MAPS_MAX)
    answer = bytearray(_PROG_INFO_BYTES)
    struct.pack_into("=IQ", answer, 52, _MAPS_MAX, _syscalls.address(map_ids))
    info(fd, len(answer), answer)
    kind, number, tag = struct.unpack_from("=II8s", answer)
    (maps,) = struct.unpack_from("=I", answer, 52)
    (name,) = struct.unpack_from("=16s", answer, 64)
    run_time_ns, run_count, missed = struct.unpack_from("=QQQ", answer, 192)
    btf_object, btf_id = struct.unpack_from("=II", answer, 220)
    return Program(
        number=number,
        kind=PROG_TYPES[kind] if kind < len(PROG_TYPES) else f"type {kind}",
        name=text(name),
        tag=tag.hex(),
        map_ids=struct.unpack_from(f"={min(maps, _MAPS_MAX)}I", map_ids),
        run_count=run_count,
        run_time_ns=run_time_ns,
        missed=missed,
        btf_object=btf_object,
        btf_id=btf_id,
    )


def text(raw: bytes | bytearray) -> str:
    """Return the text of a buffer up to its first zero byte."""
    return bytes(raw).split(b"\0", 1)[0].decode(errors="replace")


def map_memory_bytes(number: int) -> int | None:
    """Return the memory of a map, as the kernel accounts for it; None if it is gone."""
    with opened(Command.MAP_GET_FD_BY_ID, number) as fd:
        if fd is None:
            return None
        found = re.search(r"^memlock:\s*(\d+)$", Path(f"/proc/self/fdinfo/{fd}").read_text(), re.M)
        return int(found[1]) if found else None


def _cannot_walk(error: OSError) -> OverheadError:
    name = errno.errorcode.get(error.errno or 0, str(error.errno))
    if error.errno in (errno.EPERM, errno.EACCES):
        return RefusedError(
            f"listing the kernel's BPF programs needs CAP_SYS_ADMIN: {name} from {error.strerror}",
            "run as root, outside of a container",
        )
    return UnsupportedError(
        f"kernel {os.uname().release} does not list BPF programs: {name} from {error.strerror}",
        "use Linux 5.8 or newer with CONFIG_BPF_SYSCALL=y",
    )
