"""Program source -> BPF bytecode -> program loaded into the kernel.

BCC compiles and creates the maps, once per program and process; every attach type
loads the same bytecode.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ebpf_overhead import bpf
from ebpf_overhead.bcc_library import captured_stderr, import_bcc, own_headers
from ebpf_overhead.errors import FailedError, OverheadError, UnsupportedError
from ebpf_overhead.phases import phase
from ebpf_overhead.rights import explain

FUNCTION = "program"

# Keys that one process can make in the complex program, one for each time % 1024.
_COMPLEX_KEYS_PER_PROCESS = 1024
_COMPLEX_ENTRIES_MIN = 1 << 16
_COMPLEX_ENTRIES_MAX = 1 << 21


@dataclass(frozen=True)
class MapUse:
    """How a program's map stood after measuring.

    Attributes
    ----------
    max_entries : int
        What the map holds at most.
    entries : int
        Keys in it.
    lost_updates : int
        Updates that failed because it was full.
    """

    max_entries: int
    entries: int
    lost_updates: int


@dataclass
class CompiledProgram:
    """A program compiled by BCC, with its maps.

    Attributes
    ----------
    name : str
        Name of the program.
    module : bcc.BPF
        BCC's object; owns the maps.
    """

    name: str
    module: Any = field(repr=False)

    def load(self, prog_type: bpf.ProgType, what: str) -> int:
        """Load the program through BCC and return its file descriptor.

        Parameters
        ----------
        prog_type : ProgType
            Kind of program.
        what : str
            Attach type it is loaded for, for messages.

        Raises
        ------
        OverheadError
            The kernel refused it, with its reason.
        """
        function = FUNCTION.encode()
        with captured_stderr() as log:
            ctypes.set_errno(0)
            try:
                fd: int = self.module.load_func(function, int(prog_type)).fd
            except Exception as error:  # BCC raises bare Exception
                number = ctypes.get_errno()
                refusal = OSError(number, os.strerror(number))
                cause = error
            else:
                # BCC keeps one program a function; another attach type loads it anew.
                del self.module.funcs[function]
                return fd
        raise self._rejection(refusal, what, log[0]) from cause

    def load_tracing(self, attach: bpf.TraceAttachType, btf_id: int, what: str) -> int:
        """Load the program as ``BPF_PROG_TYPE_TRACING`` and return its file descriptor.

        The hook is part of such a program.  BCC derives it from the function's name and
        knows no ``tp_btf``, so its bytecode is handed to the kernel directly.
        """
        code = self.module.dump_func(FUNCTION.encode())
        try:
            return bpf.prog_load(code, bpf.ProgType.TRACING, attach, btf_id, self.name)
        except bpf.VerifierRejection as error:
            raise self._rejection(error, what, error.log) from error

    def _rejection(self, error: OSError, what: str, log: str) -> OverheadError:
        # A log of instructions means that the verifier looked at the program and said no;
        # everything else is refused before or after.
        if "processed" in log and error.errno in (errno.EACCES, errno.EINVAL):
            return FailedError(
                f"verifier rejects {self.name}: {_verdict(log)}", "correct its source"
            )
        if not error.errno:  # BCC itself, before it asked the kernel
            return FailedError(f"BCC does not load {self.name} as {what}: {_last_line(log)}")
        return explain(error, "load", what)

    def clear(self) -> None:
        """Empty the program's maps, so that every case starts from the same state."""
        counts, lost = self.table("counts"), self.table("lost_updates")
        if counts is not None:
            bpf.map_delete(counts.map_fd, _keys(counts), _key_bytes(counts))
        if lost is not None:
            lost.clear()

    def map_use(self) -> MapUse | None:
        """Return how full the program's map is; None when it has none."""
        counts, lost = self.table("counts"), self.table("lost_updates")
        if counts is None:
            return None
        return MapUse(
            max_entries=counts.max_entries,
            entries=len(_keys(counts)) // _key_bytes(counts),
            lost_updates=0 if lost is None else next(iter(lost.values())).value,
        )

    def table(self, name: str) -> Any | None:
        """Return BCC's table object of a map; None when the program has no such map."""
        try:
            return self.module[name.encode()]
        except KeyError:
            return None


def _key_bytes(table: Any) -> int:
    return ctypes.sizeof(table.Key)


def _keys(table: Any) -> bytearray:
    """Return all keys of one of BCC's tables; asking it for one by one is slow."""
    return bpf.map_keys(
        table.map_fd, _key_bytes(table), ctypes.sizeof(table.Leaf), table.max_entries
    )


def source_path(name: str) -> Path:
    """Return the source file of a shipped program: in the package, or in the tree."""
    package = Path(__file__).parent
    for folder in (package / "probes", package.parent / "probes"):
        path = folder / f"{name}.c"
        if path.exists():
            return path
    raise FailedError(f"probes/{name}.c not found beside {package}", "reinstall ebpf-overhead")


@cache
def compiled(name: str) -> CompiledProgram:
    """Return a shipped program, compiled once per process."""
    return compile_source(name, source_path(name), _definitions(name))


def compile_source(name: str, path: Path, definitions: Iterable[str] = ()) -> CompiledProgram:
    """Compile a BPF program with BCC.

    Parameters
    ----------
    name : str
        Name of the program.
    path : Path
        C source; defines ``int program(... *ctx)``.
    definitions : iterable of str
        ``NAME=value`` for the preprocessor.

    Returns
    -------
    CompiledProgram

    Raises
    ------
    FailedError
        The source does not compile; the compiler's first error with file and line.
    RefusedError, UnsupportedError
        The kernel does not let this process create maps.
    """
    with phase("compile"):
        bcc = import_bcc()
    flags = ["-Wno-macro-redefined", *(f"-D{definition}" for definition in definitions)]
    text = f'#line 1 "{path}"\n{path.read_text()}'
    with phase("compile"), own_headers(), captured_stderr() as log:
        ctypes.set_errno(0)
        try:
            return CompiledProgram(name, bcc.BPF(text=text.encode(), cflags=flags))
        except Exception as error:  # BCC raises bare Exception
            number = ctypes.get_errno()
            cause = error
    raise _compile_failure(path, log[0], number) from cause


def _compile_failure(path: Path, log: str, number: int) -> OverheadError:
    """Tell a mistake in the source from a kernel that refuses the program's maps."""
    errors = [line for line in log.splitlines() if "error:" in line]
    if errors:
        return FailedError(f"{path.name} does not compile: {errors[0].strip()}")
    if number:
        return explain(OSError(number, os.strerror(number)), "map creation", "BPF map")
    return UnsupportedError(f"BCC fails to compile {path.name}: {_last_line(log)}")


def _definitions(name: str) -> list[str]:
    """Return what a shipped program needs to be told about this machine."""
    if name != "complex":
        return []
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


def _verdict(log: str) -> str:
    """Return why the verifier said no: what follows the last instruction in its log."""
    verdict = ""
    for line in map(str.strip, log.splitlines()):
        if re.match(r"\d+: ", line):
            verdict = ""
        elif not verdict and not line.startswith((";", "bpf: ", "processed ")):
            verdict = line
    return verdict or _last_line(log)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
