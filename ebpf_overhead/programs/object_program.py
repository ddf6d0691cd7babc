"""Programs of object files and scripts: opened once per process, with the maps that they share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

from ebpf_overhead.bpf import maps
from ebpf_overhead.bpf.syscall import ProgType
from ebpf_overhead.errors import FailedError, OverheadError
from ebpf_overhead.programs import compiled
from ebpf_overhead.programs.bcc_tool import of_tool
from ebpf_overhead.programs.bpftrace_file import script_text
from ebpf_overhead.programs.bpftrace_object import of_script
from ebpf_overhead.programs.catalogue import Program
from ebpf_overhead.programs.compiled import CompiledProgram
from ebpf_overhead.programs.elf_object import object_in
from ebpf_overhead.programs.function_tables import FunctionTable
from ebpf_overhead.programs.libbpf_object import RelocatedObject, relocate
from ebpf_overhead.programs.loaded import LoadedAs, LoadedProgram
from ebpf_overhead.programs.object_settings import ObjectSettings
from ebpf_overhead.programs.program_maps import ProgramMaps
from ebpf_overhead.programs.program_object import MapDefinition, ProgramObject
from ebpf_overhead.programs.relocations import Unresolved, explained, unresolved


@dataclass
class ObjectProgram(CompiledProgram):
    """A program of an object file.

    Attributes
    ----------
    missing : list of Unresolved
        What libbpf could not relocate in it.
    loads : mapping of str to LoadedAs
        What libbpf would load each of its object's programs for.
    tables : sequence of FunctionTable
        Those of its object.
    """

    missing: list[Unresolved] = field(default_factory=list, repr=False)
    loads: Mapping[str, LoadedAs] = field(default_factory=dict, repr=False)
    tables: Sequence[FunctionTable] = field(default=(), repr=False)

    def load(self, loaded_as: LoadedAs, what: str, function: str = "") -> LoadedProgram:
        """Load one of its functions; for no certain type of program, as libbpf does it.

        See `CompiledProgram`.
        """
        name = function or self.entry
        asked = self.loads[name] if loaded_as.prog_type == ProgType.UNSPEC else loaded_as
        program = super().load(asked, what, name)
        for table in self.tables:
            if table.has(name):
                program.try_out = partial(self._try_out, table, what)
        return program

    def _try_out(self, table: FunctionTable, what: str) -> None:
        def load(name: str) -> LoadedProgram:
            return self._load(name, self.loads[name], what)

        table.try_out(self.maps.fds[table.name], load)

    def _load(self, function: str, loaded_as: LoadedAs, what: str) -> LoadedProgram:
        try:
            return super()._load(function, loaded_as, what)
        except OverheadError as error:
            raise explained(error, self.missing, self.name) from error


def made(
    program: Program, own_maps: bool = False, beside: CompiledProgram | None = None
) -> CompiledProgram:
    """Return a program with its maps, once per process, whichever back end makes it.

    Parameters
    ----------
    program : Program
        Of the catalogue, or the user's own.
    own_maps : bool
        Whether its maps are made again, so that nobody else has them.  Those of an object file
        belong to all of its programs, and are made once.
    beside : CompiledProgram, optional
        Another function of the same C source, whose maps it uses.

    Raises
    ------
    OverheadError
        It cannot be made here.
    """
    if program.is_object:
        return _of_object(program)
    if program.function:
        return of_tool(program, beside)
    return compiled.make(program) if own_maps else compiled.compiled(program)


@cache
def _of_object(program: Program) -> CompiledProgram:
    assert program.source is not None
    opened = _run if program.is_script else _opened
    its = opened(program.source, program.settings)
    if isinstance(its, OverheadError):
        raise its
    found, its_maps = its
    name = program.function
    if name in found.failures:
        raise found.failures[name]
    if name not in found.functions:
        raise FailedError(f"{program.name}: {name} is not loaded")
    return ObjectProgram(
        program.name,
        ProgramObject(found.functions, tuple(_definitions(its_maps))),
        its_maps,
        entry=name,
        types_fd=found.types_fd,
        slots=found.slots,
        missing=unresolved(found.notes).get(name, []),
        loads={name: each.loaded_as for name, each in found.loads.items()},
        tables=found.tables,
    )


def _definitions(made: ProgramMaps) -> Iterator[MapDefinition]:
    for name, fd in made.fds.items():
        size = maps.dimensions(fd)
        yield MapDefinition(name, size.kind, size.key_bytes, size.value_bytes, size.max_entries)


@cache
def _opened(path: Path, settings: ObjectSettings) -> tuple[RelocatedObject, ProgramMaps]:
    content = object_in(path)
    found = relocate(content, settings, path.name)
    return found, ProgramMaps(found.map_fds)


@cache
def _run(
    path: Path, settings: ObjectSettings
) -> tuple[RelocatedObject, ProgramMaps] | OverheadError:
    """Return what bpftrace makes of a script, or why it does not: it takes seconds in a guest."""
    try:
        found = of_script(script_text(path), settings, path.name)
    except OverheadError as error:
        return error
    its_maps = ProgramMaps(found.map_fds)
    its_maps.keep_contents()  # of BEGIN
    return found, its_maps
