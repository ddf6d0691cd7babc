#!/usr/bin/python3
"""Runs a tool of BCC's with a stand-in for BCC, and writes down what it would have attached.

Usage: scripts/bcc_record.py KERNEL OUTPUT TOOL [ARGUMENT...]

KERNEL is a directory of what the kernel says that it is for: kallsyms, events and btf (see
scripts/tools).  OUTPUT is JSON: the text and the compiler's options of the last module that
the tool makes, and where it attaches which function.  Nothing is compiled or attached.

It is run by the interpreter that the tools are for, and imports nothing of this project.
"""

from __future__ import annotations

import builtins
import ctypes
import json
import os
import re
import runpy
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any, NoReturn
from unittest.mock import MagicMock

import bcc

_STRUCT = 4  # BTF_KIND_STRUCT


def _bytes(text: Any) -> bytes:
    return text.encode() if isinstance(text, str) else bytes(text)


class Kernel:
    """What a kernel that is not the running one says."""

    def __init__(self, directory: Path) -> None:
        lines = [line.split() for line in (directory / "kallsyms").read_text().splitlines()]
        self.symbols = {line[2].encode(): int(line[0], 16) for line in lines}
        self.functions = {line[2].encode() for line in lines if line[1] in "tTwW"}
        self.events = set((directory / "events").read_text().split())
        self._libbpf = ctypes.CDLL("libbpf.so.1")
        self._libbpf.btf__parse_raw.restype = ctypes.c_void_p
        self._libbpf.btf__type_by_id.restype = ctypes.c_void_p
        self._libbpf.btf__name_by_offset.restype = ctypes.c_char_p
        self._types = ctypes.c_void_p(self._libbpf.btf__parse_raw(_bytes(str(directory / "btf"))))

    def has_field(self, struct: bytes, field: bytes) -> bool:
        """Whether a structure has a field."""
        number = self._libbpf.btf__find_by_name_kind(self._types, struct, _STRUCT)
        if number < 0:
            return False
        address = self._libbpf.btf__type_by_id(self._types, number)
        words = ctypes.cast(address, ctypes.POINTER(ctypes.c_uint32))
        members = (words[3 + 3 * index] for index in range(words[1] & 0xFFFF))
        return any(self._libbpf.btf__name_by_offset(self._types, each) == field for each in members)


class Record:
    """What a tool does."""

    def __init__(self, output: Path) -> None:
        self._output = output
        self._found: dict[str, Any] = {"text": "", "flags": [], "attached": []}

    def module(self, text: bytes, flags: Any) -> None:
        """Note what would be compiled; those before were to find out what the kernel has."""
        options = [str(each) for each in flags]
        self._found = {"text": text.decode("latin-1"), "flags": options, "attached": []}

    def attached(self, section: str, function: Any) -> None:
        """Note where a function would be attached."""
        name = function if isinstance(function, (str, bytes)) else function.name
        self._found["attached"].append([section, _bytes(name).decode()])

    def finish(self, *_: Any, **__: Any) -> NoReturn:
        """Write it, and end where the tool would wait for events."""
        self._output.write_text(json.dumps(self._found))
        os._exit(0)


def stand_in(kernel: Kernel, record: Record) -> type:
    """Return what takes the place of BCC's class of modules."""

    class StandIn(bcc.BPF):  # type: ignore[misc]
        """Asks nothing of the kernel that runs."""

        def __init__(self, *_: Any, text: Any = None, src_file: Any = b"", **more: Any) -> None:
            if not text and src_file:
                text = Path(_bytes(src_file).decode()).read_bytes()
            usdt = b"".join(_bytes(each.get_text()) for each in more.get("usdt_contexts", ()))
            record.module(usdt + _bytes(text or b""), more.get("cflags", ()))
            self.tables: dict[Any, Any] = {}

        def __getitem__(self, name: Any) -> Any:
            return self.tables.setdefault(name, MagicMock())

        def get_table(self, name: Any, *_: Any, **__: Any) -> Any:
            return self[name]

        def cleanup(self) -> None:
            pass

        def load_func(self, name: Any, *_: Any, **__: Any) -> Any:
            function = MagicMock()
            function.name = name
            return function

        @staticmethod
        def ksymname(name: Any) -> int:
            return kernel.symbols.get(_bytes(name), -1)

        @staticmethod
        def get_kprobe_functions(pattern: Any) -> list[bytes]:
            known = kernel.functions
            return sorted(each for each in known if re.fullmatch(_bytes(pattern), each))

        @staticmethod
        def tracepoint_exists(category: Any, event: Any) -> bool:
            return f"{_bytes(category).decode()}:{_bytes(event).decode()}" in kernel.events

        @staticmethod
        def support_kfunc() -> bool:
            return True

        @staticmethod
        def support_raw_tracepoint() -> bool:
            return True

        @staticmethod
        def support_raw_tracepoint_in_module() -> bool:
            return True

        @staticmethod
        def kernel_struct_has_field(struct: Any, field: Any) -> int:
            return int(kernel.has_field(_bytes(struct), _bytes(field)))

        def num_open_kprobes(self) -> int:
            return 1

        num_open_tracepoints = num_open_uprobes = num_open_kprobes

        def _attach(self, kind: str, place: Any, function: Any, pattern: Any = b"") -> None:
            places = self.get_kprobe_functions(pattern) if pattern else [_bytes(place)]
            for each in places:
                record.attached(f"{kind}/{each.decode()}", function)

        def attach_kprobe(
            self, event: Any = b"", event_off: int = 0, fn_name: Any = b"", event_re: Any = b""
        ) -> None:
            end = f"+{event_off:#x}".encode() if event_off else b""
            self._attach("kprobe", _bytes(event) + end, fn_name, event_re)

        def attach_kretprobe(
            self, event: Any = b"", fn_name: Any = b"", event_re: Any = b"", **_: Any
        ) -> None:
            self._attach("kretprobe", event, fn_name, event_re)

        def attach_tracepoint(self, tp: Any = b"", tp_re: Any = b"", fn_name: Any = b"") -> None:
            place = _bytes(tp or tp_re).replace(b":", b"/")
            self._attach("tracepoint", place, fn_name)

        def attach_raw_tracepoint(self, tp: Any = b"", fn_name: Any = b"") -> None:
            self._attach("raw_tp", tp, fn_name)

        def attach_uprobe(
            self, name: Any = b"", sym: Any = b"", sym_re: Any = b"", fn_name: Any = b"", **_: Any
        ) -> None:
            self._attach("uprobe", _bytes(name) + b":" + _bytes(sym or sym_re), fn_name)

        def attach_uretprobe(
            self, name: Any = b"", sym: Any = b"", sym_re: Any = b"", fn_name: Any = b"", **_: Any
        ) -> None:
            self._attach("uretprobe", _bytes(name) + b":" + _bytes(sym or sym_re), fn_name)

        def attach_perf_event(self, *_: Any, fn_name: Any = b"", **__: Any) -> None:
            record.attached("perf_event", fn_name)

        @staticmethod
        def attach_raw_socket(function: Any, *_: Any) -> None:
            record.attached("socket", function)

        @staticmethod
        def attach_xdp(_device: Any, function: Any, *_: Any) -> None:
            record.attached("xdp", function)

        perf_buffer_poll = kprobe_poll = perf_buffer_consume = record.finish
        ring_buffer_poll = ring_buffer_consume = record.finish
        trace_fields = trace_readline = trace_print = record.finish

    return StandIn


def opened(really: Any, symbols: Path, file: Any, *more: Any, **settings: Any) -> Any:
    """Open a file; for the symbols of the kernel that runs, those of the other one."""
    return really(symbols if file == "/proc/kallsyms" else file, *more, **settings)


def main() -> None:
    """Run the tool."""
    kernel, output, tool, *arguments = sys.argv[1:]
    record = Record(Path(output))
    bcc.BPF = stand_in(Kernel(Path(kernel)), record)
    time.sleep = record.finish
    builtins.open = partial(opened, open, Path(kernel) / "kallsyms")
    sys.modules["curses"] = MagicMock(wrapper=lambda tool, *more: tool(MagicMock(), *more))
    sys.argv = [tool, *arguments]
    sys.path[0] = str(Path(tool).parent)
    runpy.run_path(tool, run_name="__main__")
    record.finish()


if __name__ == "__main__":
    main()
