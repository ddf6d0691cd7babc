"""Has libbpf relocate a BPF object, in a forked process of little power.

An object may be made to attack whoever parses it: see :mod:`ebpf_overhead.programs.confinement`.

Each bpf(2) of libbpf is caught.  What finds out what the kernel can, type information and maps
go on to the kernel.  The object's own programs do not: they are noted as libbpf would load
them.  So they can be loaded again and again, without libbpf.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import resource
import struct
from collections.abc import Iterable, Sequence
from ctypes import sizeof
from typing import Any

from ebpf_overhead.bpf.structures import MapElementAttr, ProgLoadAttr
from ebpf_overhead.bpf.syscall import BpfCommand, ProgType, TraceAttachType
from ebpf_overhead.errors import BadUseError, FailedError, UnknownNameError
from ebpf_overhead.programs import libbpf_api as api
from ebpf_overhead.programs.bpf_trap import CaughtCalls
from ebpf_overhead.programs.elf_object import asked_of_configuration
from ebpf_overhead.programs.libbpf_variables import set_variable
from ebpf_overhead.programs.object_settings import ObjectSettings

_ENOENT = 2
_FUNCTION_TABLE, _LINKED = 26, 1 << 13  # BPF_MAP_TYPE_STRUCT_OPS, BPF_F_LINK
# An attach point that every kernel has, by the kind of hook; any function for the rest.
_ANY = {TraceAttachType.RAW_TP: b"sys_enter", TraceAttachType.LSM_MAC: b"file_open"}


class LoadingCalls(CaughtCalls):
    """The calls that libbpf makes for an object.

    Parameters
    ----------
    programs : sequence of (str, int)
        Name and address of each program of the object.

    Attributes
    ----------
    loads : dict
        By program: what it would have been loaded with.
    types_fd : int
        Descriptor of the type information that they would have been loaded with, or 0.
    slots : list of tuple
        What libbpf puts into program arrays: descriptor of the array, key, program.
    written : bytes
        What libbpf wrote last into a function table.
    """

    def __init__(self, programs: Sequence[tuple[str, int]]) -> None:
        self._programs = programs
        self._stand_ins: dict[int, str] = {}
        self.loads: dict[str, dict[str, Any]] = {}
        self.types_fd = 0
        self.slots: list[tuple[int, int, str]] = []
        self.written = b""
        self._table_bytes = 0
        super().__init__(passes=True)

    def answer(self, command: int, attribute: int, size: int) -> int:
        """Return what the kernel says, or a stand-in where it is not asked."""
        if command == BpfCommand.PROG_LOAD:
            given = _copied(ProgLoadAttr, attribute, size)
            for name, address in self._programs:
                if api.api().bpf_program__insns(address) == given.insns:
                    return self._note(name, given)
        if command == BpfCommand.PROG_BIND_MAP and _word(attribute) in self._stand_ins:
            return 0
        if self._table_bytes and command in (BpfCommand.MAP_UPDATE_ELEM, BpfCommand.LINK_CREATE):
            if command == BpfCommand.LINK_CREATE:
                return self._stand_in()
            given = _copied(MapElementAttr, attribute, size)
            self.written = ctypes.string_at(given.value, self._table_bytes)
            return 0
        if command == BpfCommand.MAP_UPDATE_ELEM and self._is_slot(attribute, size):
            return 0
        if command == BpfCommand.BTF_GET_NEXT_ID:
            return -_ENOENT  # modules have types of their own, which are not looked at
        return self.pass_on(command, attribute, size)

    def _note(self, name: str, given: ProgLoadAttr) -> int:
        self.types_fd = given.prog_btf_fd or self.types_fd
        self.loads[name] = {
            "code": _hex(given.insns, 8 * given.insn_cnt),
            "licence": ctypes.string_at(given.license).decode(errors="replace"),
            "prog_type": given.prog_type,
            "attach": given.expected_attach_type,
            "btf_id": given.attach_btf_id,
            "flags": given.prog_flags,
            "kernel_version": given.kern_version,
            "functions": _hex(given.func_info, given.func_info_cnt * given.func_info_rec_size),
            "function_bytes": given.func_info_rec_size,
            "lines": _hex(given.line_info, given.line_info_cnt * given.line_info_rec_size),
            "line_bytes": given.line_info_rec_size,
        }
        stand_in = self._stand_in()
        self._stand_ins[stand_in] = name
        return stand_in

    def _stand_in(self) -> int:
        """Return a descriptor that stands for a program: a high one.

        A function table holds small numbers besides.
        """
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        opened = os.open(os.devnull, os.O_RDONLY)
        try:
            return fcntl.fcntl(opened, fcntl.F_DUPFD_CLOEXEC, most // 2)
        finally:
            os.close(opened)

    def table(self, name: str, address: int) -> dict[str, Any]:
        """Return what libbpf would write into a map of ``struct_ops``."""
        self._table_bytes = api.api().bpf_map__value_size(address)
        api.api().bpf_map__attach_struct_ops(address)
        self._table_bytes = 0
        value = bytearray(self.written)
        places = []
        for offset in range(0, len(value) - 7, 8):
            if function := self._stand_ins.get(struct.unpack_from("=Q", value, offset)[0]):
                places.append((offset, function))
                value[offset : offset + 8] = bytes(8)
        linked = bool(api.api().bpf_map__map_flags(address) & _LINKED)
        return {"name": name, "value": value.hex(), "places": places, "linked": linked}

    def _is_slot(self, attribute: int, size: int) -> bool:
        """Note an update whose value is a program of the object; return whether it is one.

        Other maps are filled before any program is loaded.
        """
        given = _copied(MapElementAttr, attribute, size)
        if not self._stand_ins or _word(given.value) not in self._stand_ins:
            return False
        self.slots.append((given.map_fd, _word(given.key), self._stand_ins[_word(given.value)]))
        return True


def _copied(kind: Any, address: int, size: int) -> Any:
    content = ctypes.string_at(address, min(size, sizeof(kind)))
    return kind.from_buffer_copy(content.ljust(sizeof(kind), b"\0"))


def _word(address: int) -> int:
    return int(ctypes.c_uint32.from_address(address).value)


def _hex(address: int, size: int) -> str:
    return ctypes.string_at(address, size).hex() if size else ""


def relocated(
    content: bytes, wanted: ObjectSettings, aside: Iterable[str] = ()
) -> tuple[dict[str, Any], list[int]]:
    """Return what libbpf makes of an object, and the descriptors of its types and maps.

    Parameters
    ----------
    content : bytes
        The object.
    wanted : ObjectSettings
        What is to be made of it.
    aside : iterable of str
        Programs whose attach points this kernel lacks; they are relocated for another one.

    Raises
    ------
    OverheadError
        It cannot be opened, set or relocated.
    """
    said = api.Said()
    opened = 0
    try:
        opened = api.opened(content, wanted.kernel_config)
        _choose(opened, wanted, aside)
        _set(opened, wanted)
        calls = LoadingCalls(list(api.programs(opened)))
        if api.api().bpf_object__load(opened) < 0:
            raise FailedError("libbpf cannot relocate it")
    except FailedError as error:
        unknown = wanted.unknown_of(asked_of_configuration(content))
        raise FailedError(f"{error}: {_reason(said, opened, unknown)}") from error
    addresses = dict(api.maps(opened))
    maps = {name: api.api().bpf_map__fd(address) for name, address in addresses.items()}
    made = {name: fd for name, fd in maps.items() if fd >= 0}
    answer = {
        "programs": calls.loads,
        "maps": made,
        "slots": calls.slots,
        "tables": [
            calls.table(name, addresses[name])
            for name in made
            if api.api().bpf_map__type(addresses[name]) == _FUNCTION_TABLE
        ],
        "has_types": bool(calls.types_fd),
        "notes": [line for _, line in said.lines if " relo #" in line],
    }
    return answer, [calls.types_fd] * bool(calls.types_fd) + list(made.values())


def _choose(opened: int, wanted: ObjectSettings, aside: Iterable[str]) -> None:
    for name, address in api.programs(opened):
        kind = api.api().bpf_program__type(address)
        # libbpf 1.1 crashes where no program needs the kernel's types and struct_ops are there.
        loaded = name in wanted.programs or kind == ProgType.STRUCT_OPS
        api.api().bpf_program__set_autoload(address, loaded)
        if not kind:  # of a section that libbpf does not know
            api.api().bpf_program__set_type(address, ProgType.KPROBE)
        if name in aside:
            hook = api.api().bpf_program__expected_attach_type(address)
            api.api().bpf_program__set_attach_target(address, 0, _ANY.get(hook, b"vfs_read"))


def _set(opened: int, wanted: ObjectSettings) -> None:
    known = dict(api.maps(opened))
    for address in known.values():
        api.api().bpf_map__set_pin_path(address, None)  # nothing is to stay behind
    for name, entries, value_bytes in wanted.map_sizes:
        if name not in known:
            raise UnknownNameError("map of the object", name, known)
        if api.api().bpf_map__set_max_entries(known[name], entries):
            raise BadUseError(f"map {name} cannot have {entries} entries")
        if value_bytes and api.api().bpf_map__set_value_size(known[name], value_bytes):
            raise BadUseError(f"map {name} cannot have values of {value_bytes} bytes")
    for name, value in wanted.variables:
        set_variable(opened, name, value)


def _reason(said: api.Said, opened: int, unknown: Sequence[str]) -> str:
    """Return why libbpf failed: the first that it said of it, the others follow from that."""
    warnings = said.warnings() or [line for _, line in said.lines][-1:]
    for line in warnings:
        if line == _NO_CONFIGURATION and unknown:
            values = " ".join(f"--set {name}=VALUE" for name in unknown)
            return f"no configuration of this kernel says what {' and '.join(unknown)} is; {values}"
        if refused := _NO_MAP.fullmatch(line):
            return f"{line}{_size_hint(refused[1], opened)}"
    return warnings[0] if warnings else "no reason given"


_NO_CONFIGURATION = "failed to open system Kconfig"
_NO_MAP = re.compile(r"map '(.*)': failed to create: .*")


def _size_hint(name: str, opened: int) -> str:
    """Say that a map has no size in the object: tools set it when they start."""
    address = dict(api.maps(opened)).get(name)
    if address is None:
        return ""
    if not api.api().bpf_map__value_size(address):
        return f"; give it sizes: --map-size {name}=ENTRIES:VALUE_BYTES"
    return "" if api.api().bpf_map__max_entries(address) else f"; --map-size {name}=ENTRIES"
