"""The back end that makes a program object of an object file, with libbpf.

libbpf works in a process of its own (:mod:`ebpf_overhead.programs.libbpf_child`).  That one is
forked, because starting another interpreter takes longer than all the rest.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn, cast

from ebpf_overhead.bpf.loading import Details
from ebpf_overhead.bpf.structures import LOAD_64, PSEUDO_MAP_FD, PSEUDO_MAP_VALUE, instructions
from ebpf_overhead.errors import BadUseError, FailedError, OverheadError
from ebpf_overhead.programs import confinement, libbpf_api, libbpf_child
from ebpf_overhead.programs.confinement import LARGEST_ANSWER_BYTES
from ebpf_overhead.programs.function_tables import FunctionTable
from ebpf_overhead.programs.loaded import LoadedAs
from ebpf_overhead.programs.object_settings import ObjectSettings
from ebpf_overhead.programs.program_object import Function, Reference
from ebpf_overhead.programs.tail_calls import Slot

_PATIENCE_S, _MOST_DESCRIPTORS = 60.0, 250
# What libbpf says of a program that it cannot load here.
_OF_PROGRAM = re.compile(r"prog '([^']*)': (.*)")
_LACKS_POINT = re.compile("failed to find kernel BTF type ID of")


@dataclass(frozen=True)
class Load:
    """How libbpf would load a program of an object.

    Attributes
    ----------
    code : bytes
        Its instructions.
    loaded_as : LoadedAs
        What it is loaded for.
    details : Details
        What else the kernel is told.
    """

    code: bytes
    loaded_as: LoadedAs
    details: Details

    @classmethod
    def of_data(cls, data: dict[str, Any]) -> Load:
        """Return what the child noted."""
        return cls(
            bytes.fromhex(data["code"]),
            # Numbers that are not known here may be of a newer kernel.
            LoadedAs(*(cast(Any, int(data[name])) for name in ("prog_type", "attach", "btf_id"))),
            Details(
                *(str(data["licence"]), int(data["flags"]), int(data["kernel_version"])),
                *(bytes.fromhex(data["functions"]), int(data["function_bytes"])),
                *(bytes.fromhex(data["lines"]), int(data["line_bytes"])),
            ),
        )


@dataclass(frozen=True)
class RelocatedObject:
    """What libbpf made of an object on this kernel.

    Attributes
    ----------
    functions : dict of str to Function
        Its programs.
    loads : dict of str to Load
        How libbpf would load each of them.
    map_fds : dict of str to int
        Descriptors of its maps.
    types_fd : int
        Descriptor of its type information, or 0.
    slots : list of Slot
        Which programs libbpf puts into program arrays.
    tables : list of FunctionTable
        What libbpf writes into maps of ``struct_ops``.
    failures : dict of str to OverheadError
        Programs that libbpf cannot load here, and why.
    notes : list of str
        What libbpf says of its relocations.
    """

    functions: dict[str, Function]
    loads: dict[str, Load]
    map_fds: dict[str, int]
    types_fd: int
    slots: list[Slot]
    tables: list[FunctionTable]
    failures: Mapping[str, OverheadError]
    notes: list[str]


def relocate(content: bytes, wanted: ObjectSettings, what: str) -> RelocatedObject:
    """Have libbpf make an object's maps, and relocate its programs for this kernel.

    Parameters
    ----------
    content : bytes
        The object.
    wanted : ObjectSettings
        What is to be made of it.
    what : str
        Its name, for messages.

    Raises
    ------
    OverheadError
        libbpf cannot do it, with its reason, or is not installed.
    """
    libbpf_api.api()
    failures: dict[str, OverheadError] = {}
    aside: set[str] = set()
    while True:
        answer, fds = _answer(content, wanted, aside, what)
        if "error" not in answer:
            return _object_of(answer, fds, failures, what)
        reason = _reason(answer, what)
        failed = _OF_PROGRAM.search(answer["error"])
        if failed is None or failed[1] not in wanted.programs:
            raise reason
        if _LACKS_POINT.search(answer["error"]) and failed[1] not in aside:
            aside.add(failed[1])  # where it is attached is found out when it is
            continue
        failures[failed[1]] = reason
        others = tuple(each for each in wanted.programs if each != failed[1])
        if not others:
            raise reason
        wanted = replace(wanted, programs=others)


def _reason(answer: dict[str, str], what: str) -> OverheadError:
    kind = BadUseError if answer["remedy"] else FailedError
    return kind(f"{what}: {answer['error']}", answer["remedy"])


def _answer(
    content: bytes, wanted: ObjectSettings, aside: Collection[str], what: str
) -> tuple[dict[str, Any], list[int]]:
    """Return what a child says, and the descriptors that it hands over."""
    said = os.memfd_create("object")
    ours, theirs = socket.socketpair()
    try:
        child = os.fork()
        if child == 0:
            _work(content, wanted, aside, theirs, said)
        theirs.close()
        fds = _received(ours, child, what)
        text = os.pread(said, LARGEST_ANSWER_BYTES, 0)
    finally:
        os.close(said)
        ours.close()
        theirs.close()
    try:
        return dict(json.loads(text)), fds
    except (ValueError, TypeError, RecursionError) as error:
        raise FailedError(f"{what}: what libbpf made of it cannot be used: {error}") from error


def _work(
    content: bytes,
    wanted: ObjectSettings,
    aside: Collection[str],
    channel: socket.socket,
    said: int,
) -> NoReturn:
    """Be the child: whatever happens, do not go back to what the parent does."""
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        confinement.confine([channel.fileno(), said])
        fds: list[int] = []
        try:
            answer, fds = libbpf_child.relocated(content, wanted, aside)
        except OverheadError as error:
            answer = {"error": error.what, "remedy": error.remedy}
        os.pwrite(said, json.dumps(answer).encode(), 0)
        socket.send_fds(channel, [b"1"], fds)
        status = 0
    finally:
        os._exit(status)


def _received(channel: socket.socket, child: int, what: str) -> list[int]:
    channel.settimeout(_PATIENCE_S)
    try:
        done, fds, _, _ = socket.recv_fds(channel, 1, _MOST_DESCRIPTORS)
    except BaseException as error:
        os.kill(child, signal.SIGKILL)
        if isinstance(error, TimeoutError):
            raise FailedError(f"{what}: libbpf took more than {_PATIENCE_S:.0f} s") from None
        raise
    finally:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if not done:
        ended = f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
        raise FailedError(f"{what}: the process in which libbpf reads it ended with {ended}")
    return fds


def _object_of(
    answer: dict[str, Any], fds: list[int], failures: Mapping[str, OverheadError], what: str
) -> RelocatedObject:
    # As of any file, nothing of it is believed: an object may have taken the child over.
    try:
        map_fds = {str(name): int(number) for name, number in answer["maps"].items()}
        names = {number: name for name, number in map_fds.items()}
        types = fds[: bool(answer["has_types"])]
        loads = {str(name): Load.of_data(each) for name, each in answer["programs"].items()}
        return RelocatedObject(
            {name: function_of(each, names) for name, each in loads.items()},
            loads,
            dict(zip(map_fds, fds[len(types) :], strict=True)),
            types[0] if types else 0,
            [Slot(names[array], int(key), str(program)) for array, key, program in answer["slots"]],
            [FunctionTable.of_data(each) for each in answer["tables"]],
            failures,
            [str(each) for each in answer["notes"]],
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        for fd in fds:
            os.close(fd)
        raise FailedError(f"{what}: what libbpf made of it cannot be used: {error}") from error


def function_of(load: Load, maps: Mapping[int, str]) -> Function:
    """Return a function with the descriptors of maps taken out, and where they were.

    Parameters
    ----------
    load : Load
        How it would be loaded.
    maps : mapping of int to str
        Names of maps, by the descriptors in its instructions.
    """
    code = instructions(load.code)
    references, index = [], 0
    while index < len(code):
        wide = code[index].code == LOAD_64
        if wide and code[index].src_reg in (PSEUDO_MAP_FD, PSEUDO_MAP_VALUE):
            references.append(Reference(index, maps[code[index].imm]))
            code[index].imm = 0
        index += 2 if wide else 1
    return Function(bytes(code), tuple(references), details=load.details)
