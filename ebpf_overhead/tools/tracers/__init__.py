"""BPF programs that trace other code for the tools, and what they share.

Unlike the programs in ``probes/``, these are not measured: ``latency.c`` times calls for
``funclatency``, ``count.c`` counts events for ``estimate``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from ebpf_overhead.programs.bcc_compile import Source
from ebpf_overhead.programs.compiled import CompiledProgram, with_maps
from ebpf_overhead.programs.program_object import Constant


def compiled_tracer(
    name: str,
    functions: Iterable[str],
    constants: Mapping[Constant, int],
    *,
    macros: Iterable[str] = (),
    max_entries: Mapping[str, int] | None = None,
) -> CompiledProgram:
    """Return a tracer with its maps.

    Parameters
    ----------
    name : str
        Of its source, without ``.c``.
    functions : iterable of str
        The functions that it has.
    constants : mapping of Constant to int
        The numbers that it is given at load.
    macros : iterable of str
        ``NAME=value`` for the preprocessor.
    max_entries : mapping of str to int, optional
        Sizes of its maps that differ from the source.

    Raises
    ------
    OverheadError
        It cannot be compiled here, or the kernel refused its maps.
    """
    source = Source(Path(__file__).parent / f"{name}.c", tuple(macros), tuple(constants))
    numbers = {constant.name: number for constant, number in constants.items()}
    return with_maps(name, source, numbers, max_entries, functions)
