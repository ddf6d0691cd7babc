"""What bpftrace does with the kernel to run a script, and what of it is kept from the kernel.

Maps are made and programs loaded as bpftrace asks for it.  Nothing is attached: what would be,
and where, is noted, and bpftrace gets a descriptor of something else.
"""

from __future__ import annotations

import errno
import os
import re
from ctypes import c_int32
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from ebpf_overhead.bpf import perf_event, syscall
from ebpf_overhead.bpf.loading import NO_DETAILS, Details
from ebpf_overhead.bpf.structures import (
    IdAttr,
    LinkCreateAttr,
    PerfEventAttr,
    ProgLoadAttr,
    RawTracepointAttr,
)
from ebpf_overhead.bpf.syscall import BpfCommand
from ebpf_overhead.programs import bpftrace_points
from ebpf_overhead.programs.bpftrace_maps import ScriptMaps
from ebpf_overhead.programs.bpftrace_points import TRACING, ScriptPoint
from ebpf_overhead.programs.libbpf_object import Load, function_of
from ebpf_overhead.programs.loaded import LoadedAs
from ebpf_overhead.programs.notified_calls import Listener, NotifiedCall, ProcessMemory
from ebpf_overhead.programs.program_object import Function

# ioctl(2) of perf events that attach a program or switch it on and off.
COMMANDS = (perf_event.SET_BPF, perf_event.ENABLE, perf_event.DISABLE)
_STAND_IN = "not-attached"
_PERF_EVENT_LINK = 41  # BPF_PERF_EVENT of enum bpf_attach_type
_PROGRAM_ID = re.compile(r"^prog_id:\s*(\d+)", re.M)
_TYPES_ID = re.compile(r"^btf_id:\s*(\d+)", re.M)


_NOWHERE = ScriptPoint("")


@dataclass(frozen=True)
class ScriptProgram:
    """A program of a script that bpftrace would have attached.

    Attributes
    ----------
    function : Function
        Its instructions.
    load : Load
        How bpftrace loaded it.
    point : ScriptPoint
        Where it would be attached.
    types : int
        The kernel's number of its type information; 0 for none.
    """

    function: Function
    load: Load
    point: ScriptPoint = _NOWHERE
    types: int = 0


class ScriptCalls:
    """The calls that bpftrace makes for a script.

    Parameters
    ----------
    listener : Listener
        Has the calls.
    process : int
        Number of bpftrace's process.
    maps : ScriptMaps
        Takes its maps over.
    executable : Path
        File of bpftrace.
    """

    def __init__(
        self, listener: Listener, process: int, maps: ScriptMaps, executable: Path
    ) -> None:
        self._listener, self._maps, self._executable = listener, maps, executable
        self._folder = Path(f"/proc/{process}")
        self._memory = ProcessMemory(process)
        self._stand_ins: dict[int, ScriptPoint] = {}
        # What the last call asked to be loaded; then what was loaded, by the kernel's numbers.
        self._pending: ScriptProgram | None = None
        self._loaded: dict[int, ScriptProgram] = {}
        self._seen: set[str] = set()
        self._attached: dict[int, ScriptPoint] = {}

    def programs(self) -> list[ScriptProgram]:
        """Return the programs that would be attached, in the order in which that was asked for."""
        here = {self._program_id(each.name) for each in (self._folder / "fd").iterdir()}
        return [
            replace(self._loaded[number], point=point)
            for number, point in self._attached.items()
            if number in here
        ]

    def handle(self, call: NotifiedCall) -> None:
        """Pass a call on, or answer it."""
        self._settle()
        try:
            if call.name == "ioctl" and (point := self._stands_for(call.arguments[0])):
                if call.arguments[1] & 0xFFFFFFFF == perf_event.SET_BPF:
                    self._note(call.arguments[2], point)
                self._listener.answer(call, 0)
            elif call.name == "bpf" and call.arguments[0] == BpfCommand.BTF_GET_NEXT_ID:
                self._next_types(call)
            elif (fd := self._descriptor(call)) is not None:
                self._listener.hand_over(call, fd)
            else:
                self._listener.pass_on(call)
        except OSError as error:  # of what was done in its place
            self._listener.answer(call, -(error.errno or errno.EPERM))

    def _descriptor(self, call: NotifiedCall) -> int | None:
        """Return what a call gets; None for what the kernel is to do."""
        if call.name == "bpf":
            return self._of_bpf(call)
        if call.name != "perf_event_open":
            return None
        given = self._memory.structure(PerfEventAttr, call.arguments[0])
        if (given.type, given.config) == (perf_event.TYPE_SOFTWARE, perf_event.BPF_OUTPUT):
            # Some kernels ask for more privileges here than bpftrace has got.
            return perf_event.output(c_int32(call.arguments[2]).value)
        point = bpftrace_points.of_event(given, self._memory, self._executable)
        return None if point is None else self._stand_in(point)

    def _of_bpf(self, call: NotifiedCall) -> int | None:
        command, address, size = call.arguments[:3]
        if command == BpfCommand.BTF_GET_FD_BY_ID:
            asked = self._memory.structure(IdAttr, address, size)
            return syscall.call(BpfCommand.BTF_GET_FD_BY_ID, asked)
        if command == BpfCommand.PROG_LOAD:
            self._pending = self._program(self._memory.structure(ProgLoadAttr, address, size))
        elif command == BpfCommand.RAW_TRACEPOINT_OPEN:
            raw = self._memory.structure(RawTracepointAttr, address, size)
            point = bpftrace_points.of_raw_tracepoint(raw, self._memory)
            return self._noted(raw.prog_fd, point)
        elif command == BpfCommand.LINK_CREATE:
            link = self._memory.structure(LinkCreateAttr, address, size)
            if link.attach_type != _PERF_EVENT_LINK:
                return self._noted(link.prog_fd, bpftrace_points.of_link(link, self._memory))
            event = self._stands_for(link.target_fd)
            return None if event is None else self._noted(link.prog_fd, event)
        return None

    def _next_types(self, call: NotifiedCall) -> None:
        """Look for types of the kernel's modules: not everybody may."""
        address, size = call.arguments[1:3]
        asked = self._memory.structure(IdAttr, address, size)
        syscall.call(BpfCommand.BTF_GET_NEXT_ID, asked)
        self._memory.write(address, bytes(asked)[:size])
        self._listener.answer(call, 0)

    def _program(self, given: ProgLoadAttr) -> ScriptProgram:
        read = self._memory.read
        details = Details(
            self._memory.text(given.license),
            *(given.prog_flags, given.kern_version),
            read(given.func_info, given.func_info_cnt * given.func_info_rec_size),
            given.func_info_rec_size or NO_DETAILS.function_bytes,
            read(given.line_info, given.line_info_cnt * given.line_info_rec_size),
            given.line_info_rec_size or NO_DETAILS.line_bytes,
        )
        loaded_as = LoadedAs(
            *(cast(Any, given.prog_type), cast(Any, given.expected_attach_type)),
            given.attach_btf_id,
        )
        types = self._number(given.prog_btf_fd, _TYPES_ID) or 0
        if types:
            self._maps.note_types(given.prog_btf_fd, types)
        load = Load(read(given.insns, 8 * given.insn_cnt), loaded_as, details)
        function = function_of(load, self._maps.names_in(load.code))
        return ScriptProgram(function, load, types=types)

    def _settle(self) -> None:
        """Find out under which number the kernel took the last program, if it did."""
        if self._pending is None:
            return
        here = {each.name for each in (self._folder / "fd").iterdir()}
        # A descriptor may have the number of one that was closed; most often it has a new one.
        for fds in (here - self._seen, here):
            found = {number for each in fds if (number := self._program_id(each)) is not None}
            if new := found - self._loaded.keys():
                self._loaded[min(new)] = self._pending
                break
        self._seen, self._pending = here, None

    def _program_id(self, fd: int | str) -> int | None:
        """Return the number of a program that bpftrace has; None for anything else."""
        return self._number(fd, _PROGRAM_ID)

    def _number(self, fd: int | str, pattern: re.Pattern[str]) -> int | None:
        """Return the number by which the kernel knows what is behind a descriptor of bpftrace's."""
        try:
            text = (self._folder / "fdinfo" / str(fd)).read_text()
        except OSError:
            return None
        found = pattern.search(text)
        return int(found[1]) if found else None

    def _noted(self, program_fd: int, point: ScriptPoint) -> int:
        self._note(program_fd, point)
        return self._stand_in(point)

    def _note(self, program_fd: int, point: ScriptPoint) -> None:
        number = self._program_id(program_fd & 0xFFFFFFFF)
        if number is not None and number in self._loaded:
            kind = TRACING.get(self._loaded[number].load.loaded_as.attach, point.kind)
            self._attached[number] = replace(point, kind=kind)

    def _stand_in(self, point: ScriptPoint) -> int:
        fd = os.memfd_create(_STAND_IN)
        self._stand_ins[os.fstat(fd).st_ino] = point
        return fd

    def _stands_for(self, fd: int) -> ScriptPoint | None:
        try:
            return self._stand_ins.get((self._folder / "fd" / str(fd)).stat().st_ino)
        except OSError:
            return None
