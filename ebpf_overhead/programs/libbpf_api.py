"""The functions of libbpf 1.0 and newer that open a BPF object and load it, and what it says."""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Callable, Iterator
from ctypes import c_bool, c_char_p, c_int, c_size_t, c_uint32, c_void_p
from typing import Any

from ebpf_overhead.bpf import libbpf
from ebpf_overhead.errors import FailedError, MissingToolError

# Result and parameters of each function.
_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "bpf_object__open_mem": (c_void_p, [c_char_p, c_size_t, c_void_p]),
    "bpf_object__load": (c_int, [c_void_p]),
    "bpf_object__btf": (c_void_p, [c_void_p]),
    "bpf_object__next_program": (c_void_p, [c_void_p, c_void_p]),
    "bpf_object__next_map": (c_void_p, [c_void_p, c_void_p]),
    "bpf_object__find_map_by_name": (c_void_p, [c_void_p, c_char_p]),
    "bpf_program__name": (c_char_p, [c_void_p]),
    "bpf_program__type": (c_int, [c_void_p]),
    "bpf_program__expected_attach_type": (c_int, [c_void_p]),
    "bpf_program__set_attach_target": (c_int, [c_void_p, c_int, c_char_p]),
    "bpf_program__set_type": (c_int, [c_void_p, c_int]),
    "bpf_program__insns": (c_void_p, [c_void_p]),
    "bpf_program__set_autoload": (c_int, [c_void_p, c_bool]),
    "bpf_map__name": (c_char_p, [c_void_p]),
    "bpf_map__fd": (c_int, [c_void_p]),
    "bpf_map__set_pin_path": (c_int, [c_void_p, c_char_p]),
    "bpf_map__max_entries": (c_uint32, [c_void_p]),
    "bpf_map__value_size": (c_uint32, [c_void_p]),
    "bpf_map__map_flags": (c_uint32, [c_void_p]),
    "bpf_map__type": (c_int, [c_void_p]),
    "bpf_map__attach_struct_ops": (c_void_p, [c_void_p]),
    "bpf_map__set_value_size": (c_int, [c_void_p, c_uint32]),
    "bpf_map__set_max_entries": (c_int, [c_void_p, c_uint32]),
    "bpf_map__initial_value": (c_void_p, [c_void_p, c_void_p]),
    "ring_buffer__new": (c_void_p, [c_int, c_void_p, c_void_p, c_void_p]),
    "ring_buffer__consume": (c_int, [c_void_p]),
    "ring_buffer__poll": (c_int, [c_void_p, c_int]),
    "ring_buffer__free": (None, [c_void_p]),
    "perf_buffer__new_raw": (c_void_p, [c_int, c_size_t, *[c_void_p] * 4]),
    "perf_buffer__consume": (c_int, [c_void_p]),
    "perf_buffer__poll": (c_int, [c_void_p, c_int]),
    "perf_buffer__free": (None, [c_void_p]),
    "btf__type_cnt": (c_uint32, [c_void_p]),
    "btf__type_by_id": (c_void_p, [c_void_p, c_uint32]),
    "btf__name_by_offset": (c_char_p, [c_void_p, c_uint32]),
}
_PRINT = ctypes.CFUNCTYPE(c_int, c_int, c_char_p, c_void_p)
_LONGEST_LINE_BYTES, _MOST_LINES = 1024, 20_000
WARNING, DEBUG = 0, 2  # enum libbpf_print_level


class OpenOptions(ctypes.Structure):
    """``struct bpf_object_open_opts``, as far as it is used."""

    _fields_ = (
        ("sz", c_size_t),
        ("object_name", c_char_p),
        ("relaxed_maps", c_bool),
        ("pin_root_path", c_char_p),
        ("_", c_uint32),
        ("kconfig", c_char_p),
    )


class Said:
    """What libbpf says while it works: it explains failures in no other way.

    Attributes
    ----------
    lines : deque of tuple
        The last lines, each with its level.
    """

    def __init__(self) -> None:
        self.lines: deque[tuple[int, str]] = deque(maxlen=_MOST_LINES)
        self._callback = _PRINT(self._print)
        self._libc = ctypes.CDLL(None)
        api().libbpf_set_print(ctypes.cast(self._callback, c_void_p))

    def warnings(self) -> list[str]:
        """Return the lines about what went wrong, without the prefix that all have."""
        return [line for level, line in self.lines if level == WARNING]

    def _print(self, level: int, form: bytes, arguments: int) -> int:
        text = ctypes.create_string_buffer(_LONGEST_LINE_BYTES)
        self._libc.vsnprintf(text, c_size_t(len(text)), form, c_void_p(arguments))
        line = text.value.decode(errors="replace").strip()
        self.lines.append((level, line.removeprefix("libbpf: ")))
        return 0


def api() -> ctypes.CDLL:
    """Return libbpf with its functions declared.

    Raises
    ------
    MissingToolError
        It is not installed, or older than 1.0.
    """
    library = libbpf.library()
    try:
        for name, (result, parameters) in _FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, parameters
    except AttributeError as error:
        raise MissingToolError(
            f"libbpf is too old for object files: {error}", "install libbpf 1.0 or newer"
        ) from error
    return library


def opened(content: bytes, kernel_config: str) -> int:
    """Return an object that libbpf opened from memory: nothing is loaded.

    Raises
    ------
    FailedError
        It cannot be opened.
    """
    options = OpenOptions(sz=ctypes.sizeof(OpenOptions), object_name=b"object")
    if kernel_config:
        options.kconfig = kernel_config.encode()
    found: int | None = api().bpf_object__open_mem(content, len(content), ctypes.byref(options))
    if not found:
        raise FailedError("libbpf cannot open it")
    return found


def programs(opened_object: int) -> Iterator[tuple[str, int]]:
    """Yield the name and the address of each program of an object."""
    yield from _walk(opened_object, api().bpf_object__next_program, api().bpf_program__name)


def maps(opened_object: int) -> Iterator[tuple[str, int]]:
    """Yield the name and the address of each map of an object."""
    yield from _walk(opened_object, api().bpf_object__next_map, api().bpf_map__name)


def _walk(
    opened_object: int, following: Callable[..., Any], name: Callable[..., Any]
) -> Iterator[tuple[str, int]]:
    each = following(opened_object, None)
    while each:
        yield name(each).decode(errors="replace"), each
        each = following(opened_object, each)
