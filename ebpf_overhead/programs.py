"""Program source -> BPF bytecode -> program loaded into the kernel.

BCC compiles and creates the maps, once per program and process; every attach type
loads the same bytecode.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ebpf_overhead import bpf, maps
from ebpf_overhead.bcc_library import captured_stderr, import_bcc, own_headers
from ebpf_overhead.catalogue import Program
from ebpf_overhead.definitions import definitions
from ebpf_overhead.errors import BadUseError, FailedError, OverheadError, UnsupportedError
from ebpf_overhead.maps import MapUse
from ebpf_overhead.phases import phase
from ebpf_overhead.records import Records, open_records
from ebpf_overhead.rights import explain
from ebpf_overhead.verifier import rejection

FUNCTION = "program"
# BCC attaches such functions itself, for as long as the process lives: baseline included.
_SELF_ATTACHING = re.compile(
    rb"^[^/*]*\b((?:k(?:ret)?probe|(?:raw_)?tracepoint|k(?:ret)?func|lsm)__\w+"
    rb"|(?:(?:RAW_)?TRACEPOINT|K(?:RET)?FUNC|LSM)_PROBE)\s*\(",
    re.MULTILINE,
)

# What the function is called that "tail_calls" leads to.
_TAIL = "tail"


class LoadedAs(NamedTuple):
    """What a program was loaded for.

    Attributes
    ----------
    prog_type : ProgType
        Kind of program.
    attach : TraceAttachType
        Kind of hook, where that is part of the program.
    btf_id : int
        BTF id of the function or tracepoint type, or 0.
    """

    prog_type: bpf.ProgType
    attach: bpf.TraceAttachType
    btf_id: int


@dataclass
class CompiledProgram:
    """A program compiled by BCC, with its maps.

    Attributes
    ----------
    name : str
        Name of the program.
    module : bcc.BPF
        BCC's object; owns the maps.
    loaded_as : LoadedAs or None
        What it was loaded for last.
    """

    name: str
    module: Any = field(repr=False)
    loaded_as: LoadedAs | None = None
    _tail_calls: dict[LoadedAs, int] = field(default_factory=dict, repr=False)

    def load(
        self,
        prog_type: bpf.ProgType,
        what: str,
        attach: bpf.TraceAttachType = bpf.TraceAttachType.NONE,
        btf_id: int = 0,
    ) -> int:
        """Load the program and return its file descriptor.

        BCC's own loading is not used: it takes the hook of a tracing program from the
        function's name, and prints what the verifier says.

        Parameters
        ----------
        prog_type : ProgType
            Kind of program.
        what : str
            Attach type it is loaded for, for messages.
        attach : TraceAttachType
            Kind of hook, where that is part of the program.
        btf_id : int
            BTF id of the function or tracepoint type, for ``ProgType.TRACING``.

        Raises
        ------
        OverheadError
            The kernel refused it, with its reason.
        """
        self.loaded_as = LoadedAs(prog_type, attach, btf_id)
        if self.loaded_as not in self._tail_calls and self.table("tail_calls") is not None:
            self._fill_tail_calls(self.loaded_as, what)
        return self._load(FUNCTION, self.loaded_as, what)

    def load_again(self, loaded_as: LoadedAs) -> int:
        """Load the program once more, as it was loaded before, and return the descriptor."""
        return self._load(FUNCTION, loaded_as, self.name)

    def _load(self, function: str, loaded_as: LoadedAs, what: str) -> int:
        try:
            return bpf.prog_load(self._code(function, loaded_as), *loaded_as, self.name)
        except bpf.VerifierRejection as error:
            raise rejection(error, self.name, what, error.log) from error

    def _fill_tail_calls(self, loaded_as: LoadedAs, what: str) -> None:
        # The kernel lets a program array serve programs of one type and hook only, and
        # empties it when its last descriptor is closed: each kind has one, which stays.
        array_fd = self._tail_calls[loaded_as] = maps.new_prog_array()
        prog_fd = self._load(_TAIL, loaded_as, what)
        maps.put_program(array_fd, prog_fd)
        os.close(prog_fd)

    def load_tracing(self, attach: bpf.TraceAttachType, btf_id: int, what: str) -> int:
        """Load the program as ``BPF_PROG_TYPE_TRACING`` and return its file descriptor."""
        return self.load(bpf.ProgType.TRACING, what, attach, btf_id)

    def verifier_log(self) -> str:
        """Return all that the verifier writes about the program as it was loaded last."""
        assert self.loaded_as is not None
        return bpf.prog_log(self._code(FUNCTION, self.loaded_as), *self.loaded_as, self.name)

    def _code(self, function: str, loaded_as: LoadedAs) -> bytes:
        code: bytes = self.module.dump_func(function.encode())
        if loaded_as in self._tail_calls:
            own_fd = self._tail_calls[loaded_as]
            code = maps.replaced(code, self.module[b"tail_calls"].map_fd, own_fd)
        return code

    def clear(self) -> None:
        """Empty the program's maps, so that every case starts from the same state."""
        counts, lost = self.table("counts"), self.table("lost_updates")
        if counts is not None:
            size = maps.dimensions(counts.map_fd)
            if size.is_hash:
                found = maps.keys(counts.map_fd, size)
                maps.delete(counts.map_fd, found, size.key_bytes)
        if lost is not None:
            lost.clear()

    def map_use(self) -> MapUse | None:
        """Return how full the program's map is and what failed; None when nothing can."""
        counts, lost = self.table("counts"), self.table("lost_updates")
        lost_updates = None if lost is None else next(iter(lost.values())).value
        size = None if counts is None else maps.dimensions(counts.map_fd)
        if counts is None or size is None or not size.is_hash:
            return None if lost is None else MapUse(None, None, lost_updates)
        return MapUse(
            max_entries=size.max_entries,
            entries=len(maps.keys(counts.map_fd, size)) // size.key_bytes,
            lost_updates=lost_updates,
            evicts=size.evicts,
        )

    def records(self) -> Records | None:
        """Return what the program hands to user space; None when it has no map for that."""
        return open_records(self.table("events"))

    def table(self, name: str) -> Any | None:
        """Return BCC's table object of a map; None when there is none of a kind it knows."""
        try:
            return self.module[name.encode()]
        except Exception:  # KeyError, or a bare Exception for task storage
            return None


def source_path(name: str) -> Path:
    """Return the source file of a shipped program: in the package, or in the tree."""
    package = Path(__file__).parent
    for folder in (package / "probes", package.parent / "probes"):
        path = folder / f"{name}.c"
        if path.exists():
            return path
    raise FailedError(f"probes/{name}.c not found beside {package}", "reinstall ebpf-overhead")


@cache
def compiled(program: Program) -> CompiledProgram:
    """Return a program of the catalogue or the user's own, compiled once per process."""
    if program.source is not None:
        return compile_source(program.name, program.source)
    path = source_path(program.file or program.name)
    return compile_source(program.name, path, definitions(program))


def compile_source(
    name: str,
    path: Path,
    definitions: Iterable[str] = (),
    functions: Iterable[str] = (FUNCTION,),
) -> CompiledProgram:
    """Compile a BPF program with BCC.

    Parameters
    ----------
    name : str
        Name of the program.
    path : Path
        C source; defines ``int program(... *ctx)``, see docs/programs.md.
    definitions : iterable of str
        ``NAME=value`` for the preprocessor.
    functions : iterable of str
        The programs that the source has to define.

    Returns
    -------
    CompiledProgram

    Raises
    ------
    FailedError
        The source does not compile (the compiler's first error with file and line), or is
        no such program.
    RefusedError, UnsupportedError
        The kernel does not let this process create maps.
    """
    with phase("compile"):
        bcc = import_bcc()
    flags = ["-Wno-macro-redefined", f"-I{path.resolve().parent}"]
    flags += [f"-D{definition}" for definition in definitions]
    text = _source_text(path)
    with phase("compile"), own_headers(), captured_stderr() as log:
        ctypes.set_errno(0)
        module, number = None, 0
        try:
            module = bcc.BPF(text=text, cflags=flags)
        except Exception:  # BCC raises bare Exception
            number = ctypes.get_errno()
    if module is None:
        raise _compile_failure(path, log[0], number)
    for function in functions:
        _check_function(module, path, function)
    return CompiledProgram(name, module)


def _source_text(path: Path) -> bytes:
    try:
        source = path.read_bytes()
    except OSError as error:
        raise BadUseError(f"{path} cannot be read: {error.strerror}") from error
    if found := _SELF_ATTACHING.search(source):
        line = source.count(b"\n", 0, found.start(1)) + 1
        raise FailedError(
            f"{path}:{line}: BCC attaches {found[1].decode()} by itself",
            f"name the function {FUNCTION}: --attach says where it is attached",
        )
    named = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'#line 1 "{named}"\n'.encode() + source


def _check_function(module: Any, path: Path, function: str) -> None:
    try:
        module.dump_func(function.encode())
    except Exception:  # BCC raises bare Exception
        raise FailedError(
            f"{path} has no function called {function}", f"define int {function}(void *ctx) in it"
        ) from None


def _compile_failure(path: Path, log: str, number: int) -> OverheadError:
    """Tell a mistake in the source from a kernel that refuses the program's maps."""
    errors = [line.strip() for line in log.splitlines() if "error:" in line]
    if errors:
        more = f" (and {len(errors) - 1} more)" if errors[1:] else ""
        return FailedError(f"{path.name} does not compile: {errors[0]}{more}")
    if number:
        return explain(OSError(number, os.strerror(number)), "map creation", "BPF map")
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    said = lines[-1] if lines else "no reason given"
    return UnsupportedError(f"BCC fails to compile {path.name}: {said}")
