"""Functions of the text of BCC's tools, with maps that they share."""

from __future__ import annotations

from ebpf_overhead.errors import FailedError, UnsupportedError
from ebpf_overhead.programs.bcc_compile import compile_source
from ebpf_overhead.programs.bcc_text import plain_name
from ebpf_overhead.programs.catalogue import Program
from ebpf_overhead.programs.compiled import CompiledProgram, check_sizes, slots_of, source_of
from ebpf_overhead.programs.program_maps import make_maps


def of_tool(program: Program, beside: CompiledProgram | None = None) -> CompiledProgram:
    """Return a function of a tool's text, with maps of the tool.

    Parameters
    ----------
    program : Program
        The function.
    beside : CompiledProgram, optional
        Another function of the tool, whose maps it uses; by default nobody else has its maps.

    Raises
    ------
    FailedError
        The text does not compile, or has no such function.
    UnsupportedError
        It has the function under a condition.
    OverheadError
        The kernel refused a map.
    """
    made = compile_source(source_of(program))
    check_sizes(made, program)
    for name in made.functions:
        if plain_name(name) == program.function:
            its_maps = beside.maps if beside else make_maps(made, program.settings.entries)
            return CompiledProgram(program.name, made, its_maps, entry=name, slots=slots_of(made))
    if program.section and not program.settings.places:
        raise UnsupportedError(
            f"{program.name} is compiled without {program.function}: an #if leaves it out"
        )
    raise FailedError(
        f"{program.name} has no function called {program.function}",
        f"choose of {', '.join(made.functions)}: --only",
    )
