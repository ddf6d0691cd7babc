"""Program object -> maps -> program loaded into the kernel.

A program is compiled once and its maps are made once per process; every attach type loads the
same instructions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path

from ebpf_overhead.architectures import Architecture
from ebpf_overhead.bpf import loading, maps
from ebpf_overhead.bpf.maps import Dimensions, MapType
from ebpf_overhead.bpf.privileges import explain
from ebpf_overhead.errors import FailedError, OverheadError, UnknownNameError
from ebpf_overhead.programs import watching
from ebpf_overhead.programs.bcc_compile import Source, compile_source, uses_formats
from ebpf_overhead.programs.catalogue import Program
from ebpf_overhead.programs.definitions import CONSTANTS, load_values
from ebpf_overhead.programs.loaded import LoadedAs, LoadedProgram, load_code
from ebpf_overhead.programs.program_maps import ProgramMaps, make_maps
from ebpf_overhead.programs.program_object import Function, ProgramObject
from ebpf_overhead.programs.program_state import ProgramState
from ebpf_overhead.programs.tail_calls import Slot, fill
from ebpf_overhead.programs.watched_program import WatchedProgram

FUNCTION = "program"
# Where a source's tail call leads.
_TAIL = Slot("tail_calls", 0, "tail")
# What BCC's own tools attach by the names of functions.
_ATTACHED_BY_NAME = re.compile(
    "(k(ret)?probe|(raw_)?tracepoint|k(ret)?func|kmod_ret|lsm|bpf_iter)__"
)


@dataclass
class CompiledProgram(ProgramState):
    """A program whose maps are made: it can be loaded.

    Attributes
    ----------
    name : str
        Name of the program.
    made : ProgramObject
        Its instructions.
    maps : ProgramMaps
        Its maps.
    constants : dict of str to int
        The numbers that it is given.
    entry : str
        Which of its functions is measured.
    types_fd : int
        Descriptor of the type information that its functions refer to; 0 for none.
    slots : sequence of Slot
        What its tail calls lead to.
    """

    name: str
    made: ProgramObject = field(repr=False)
    maps: ProgramMaps = field(repr=False)
    constants: Mapping[str, int] = field(default_factory=dict)
    entry: str = FUNCTION
    types_fd: int = 0
    slots: Sequence[Slot] = ()
    _jumps: dict[LoadedAs, dict[str, int]] = field(default_factory=dict, repr=False)

    @property
    def tag(self) -> str:
        """What tells its instructions from another compiler's; see :class:`Function`."""
        return self.made.functions[self.entry].tag

    def load(self, loaded_as: LoadedAs, what: str, function: str = "") -> LoadedProgram:
        """Load one of its functions into the kernel.

        Parameters
        ----------
        loaded_as : LoadedAs
            What to load it for.
        what : str
            The hook that it is for, for messages.
        function : str
            Which of its functions; the one that is measured by default.

        Raises
        ------
        OverheadError
            The kernel refused it, with its reason.
        """
        if loaded_as not in self._jumps:
            self._make_jumps(loaded_as, what)
        return self._load(function or self.entry, loaded_as, what)

    def _load(self, function: str, loaded_as: LoadedAs, what: str) -> LoadedProgram:
        name = function if function not in (self.entry, _TAIL.function) else self.name
        code = self._code(function, loaded_as)
        return load_code(code, name, loaded_as, what, self._details(function))

    def _details(self, function: str) -> loading.Details:
        return replace(self.made.functions[function].details, btf_fd=self.types_fd)

    def _make_jumps(self, loaded_as: LoadedAs, what: str) -> None:
        # The kernel lets a program array serve programs of one type and hook only, and
        # empties it when its last descriptor is closed: each kind has its own, which stay.
        sizes = self._program_arrays()
        self._jumps[loaded_as] = fds = {name: maps.create(size) for name, size in sizes.items()}
        fill(fds, self.led_to, lambda function: self._load(function, loaded_as, what))

    def _program_arrays(self) -> dict[str, Dimensions]:
        arrays = [each.name for each in self.made.maps if each.kind == MapType.PROG_ARRAY]
        return {name: maps.dimensions(self.maps.fds[name]) for name in arrays}

    def verifier_log(self, loaded_as: LoadedAs, *, in_full: bool = True) -> str:
        """Return what the verifier writes about the program when it is loaded so: all, or sums."""
        code, details = self._code(self.entry, loaded_as), self._details(self.entry)
        details = replace(details, flags=details.flags | loaded_as.flags)
        return loading.prog_log(code, *loaded_as[:3], self.name, details, in_full=in_full)

    def code(self, function: str = FUNCTION, **constants: int) -> bytes:
        """Return the instructions of a function, ready to be loaded.

        Parameters
        ----------
        function : str
            Its name.
        **constants : int
            Numbers that take the place of those in ``constants``.
        """
        return self._linked(function, self.maps.fds, constants)

    def _code(self, function: str, loaded_as: LoadedAs) -> bytes:
        return self._linked(function, self._fds(loaded_as), {})

    def _fds(self, loaded_as: LoadedAs) -> Mapping[str, int]:
        """Return the descriptors of the maps that it is loaded with."""
        return {**self.maps.fds, **self._jumps.get(loaded_as, {})}

    def _linked(self, function: str, fds: Mapping[str, int], constants: Mapping[str, int]) -> bytes:
        return self.made.functions[function].linked(fds, {**self.constants, **constants})

    @cached_property
    def _instrumented(self) -> dict[str, watching.Instrumented]:
        return {name: watching.instrument(self.made.functions[name]) for name in self.passed}

    @property
    def is_watched(self) -> bool:
        """Whether it has helpers that can fail, or memory that it writes, to be watched."""
        return any(each.sites for each in self._instrumented.values())

    def watched(self) -> WatchedProgram:
        """Return a copy whose runs are counted, and whose helpers are watched.

        So are those of the functions that its tail calls lead to.

        Raises
        ------
        OverheadError
            It is too long, or the kernel refused a map.
        """

        def load(
            function: Function, more: dict[str, int], loaded_as: LoadedAs, what: str
        ) -> LoadedProgram:
            linked = function.linked({**self._fds(loaded_as), **more}, self.constants)
            details = replace(function.details, btf_fd=self.types_fd)
            return load_code(linked, self.name, loaded_as, what, details)

        try:
            return WatchedProgram(
                self._instrumented, self.entry, self._program_arrays(), self.led_to, load
            )
        except OSError as error:
            raise explain(error, "map creation", "array of results") from error


def source_path(name: str) -> Path:
    """Return the source file of a shipped program: in the package, or in the tree."""
    package = Path(__file__).parent.parent
    for folder in (package / "probes", package.parent / "probes"):
        path = folder / f"{name}.c"
        if path.exists():
            return path
    raise FailedError(f"probes/{name}.c not found beside {package}", "reinstall ebpf-overhead")


def source_of(program: Program) -> Source:
    """Return what is compiled for a program of the catalogue, or the user's own."""
    if program.source is not None:
        return Source(program.source)
    path = source_path(program.file or program.name)
    return Source(path, program.definitions, CONSTANTS.get(program.name, ()))


def compile_ahead(
    programs: Iterable[Program], release: str = "", architecture: Architecture | None = None
) -> None:
    """Compile programs for a guest, which needs seconds for what takes a moment here.

    With the caller counter, which is loaded beside them.  What fails is left to the guest to
    say, as the result of a case.  Object files need no compiler, and what needs the formats of
    the guest's events is compiled there.

    Parameters
    ----------
    programs : iterable of Program
        What is measured there.
    release : str
        The guest's kernel, whose headers are used where the project's own do not do.
    architecture : Architecture, optional
        The guest's, if it is not this machine's.
    """
    sources = dict.fromkeys(source_of(each) for each in programs if not each.is_object)
    for source in (*sources, Source(source_path("caller_counter"))):
        with suppress(OverheadError):
            if not (release and uses_formats(source)):
                compile_source(replace(source, path=source.path.absolute()), release, architecture)


def make(program: Program) -> CompiledProgram:
    """Return a program of the catalogue or the user's own, with maps that nobody else has."""
    values = load_values(program)
    sizes = {**values.max_entries, **program.settings.entries}
    found = with_maps(program.name, source_of(program), values.constants, sizes)
    check_sizes(found.made, program)
    return found


def check_sizes(made: ProgramObject, program: Program) -> None:
    """Raise BadUseError unless the maps whose sizes the user asks for are there."""
    names = {each.name for each in made.maps}
    if unknown := program.settings.entries.keys() - names:
        raise UnknownNameError(f"map of {program.name}", min(unknown), names)


compiled = cache(make)


def with_maps(
    name: str,
    source: Source,
    constants: Mapping[str, int] | None = None,
    max_entries: Mapping[str, int] | None = None,
    functions: Iterable[str] = (FUNCTION,),
) -> CompiledProgram:
    """Compile a program, unless it is stored, and make its maps.

    Parameters
    ----------
    name : str
        Name of the program.
    source : Source
        Its source; defines ``int program(... *ctx)``, see docs/programs.md.
    constants : mapping of str to int, optional
        The number of each constant of the source.
    max_entries : mapping of str to int, optional
        Sizes of maps that differ from the source.
    functions : iterable of str
        The functions that the source has to define.

    Raises
    ------
    FailedError
        The source does not compile (the compiler's first error with file and line), or is
        no such program.
    RefusedError, UnsupportedError
        The kernel does not let this process create maps.
    """
    made = compile_source(source)
    _check(made, source.path, functions)
    its_maps = make_maps(made, max_entries or {})
    return CompiledProgram(name, made, its_maps, constants or {}, slots=slots_of(made))


def slots_of(made: ProgramObject) -> tuple[Slot, ...]:
    """Return where tail calls of a C source lead."""
    has_array = any(each.name == _TAIL.array for each in made.maps)
    return (_TAIL,) if has_array and _TAIL.function in made.functions else ()


def _check(made: ProgramObject, path: Path, functions: Iterable[str]) -> None:
    """Raise unless an object has the functions that are wanted, and none for BCC's tools."""
    for name in made.functions:
        if _ATTACHED_BY_NAME.match(name):
            raise FailedError(
                f"{path.name} defines {name}, which BCC would attach by its name",
                f"name the function {FUNCTION}: --attach says where it is attached",
            )
    for name in functions:
        if name not in made.functions:
            raise FailedError(f"{path} has no function called {name}", _instead(name, made))


def _instead(name: str, made: ProgramObject) -> str:
    """Return what to do about a source without a function."""
    define = f"define int {name}(void *ctx) in it"
    others = ", ".join(made.functions)
    return f"{define}, or name one of its functions, {others}: --only" if others else define
