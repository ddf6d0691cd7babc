"""What is known of a program before it runs: its size, its stack, the verifier's work, its maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ebpf_overhead.bpf.objects import held_memory_bytes
from ebpf_overhead.bpf.syscall import code_sizes
from ebpf_overhead.bpf.verifier import statistics
from ebpf_overhead.programs.compiled import CompiledProgram
from ebpf_overhead.programs.loaded import LoadedProgram

_Count = Annotated[int, ("minimum", 0)]


@dataclass(frozen=True)
class StaticFacts:
    """A loaded program as the kernel has it.

    Attributes
    ----------
    instructions : int
        BPF instructions of the function, as it was compiled.
    translated_instructions : int or None
        BPF instructions after the verifier rewrote it; null where the kernel does not tell.
    jited_bytes : int or None
        Bytes of machine code; null where the kernel does not tell, or interprets the program.
    stack_bytes : list of int
        Stack of the function, and of each function that it calls; empty if it is not told.
    verified_instructions : int or None
        Instructions that the verifier processed, over all paths.
    verifier_states, verifier_peak_states : int or None
        States that the verifier kept, in all and at once.
    map_bytes : dict of str to int
        Memory that the kernel accounts to each map that the function uses, or one that its tail
        calls lead to.
    """

    instructions: _Count
    translated_instructions: int | None
    jited_bytes: int | None
    stack_bytes: list[int]
    verified_instructions: int | None
    verifier_states: int | None
    verifier_peak_states: int | None
    map_bytes: dict[str, int]


def static_facts(compiled: CompiledProgram, program: LoadedProgram) -> StaticFacts | None:
    """Return what the kernel tells of a loaded program; None where it tells nothing.

    For what the verifier says it is loaded once more.
    """
    try:
        return _facts(compiled, program)
    except OSError:
        return None


def _facts(compiled: CompiledProgram, program: LoadedProgram) -> StaticFacts:
    sizes = code_sizes(program.fd)
    verified = statistics(compiled.verifier_log(program.loaded_as, in_full=False))
    used = compiled.used_maps()
    memory = {name: held_memory_bytes(fd) for name, fd in compiled.maps.fds.items() if name in used}
    return StaticFacts(
        len(compiled.made.functions[compiled.entry].code) // 8,
        sizes.translated_instructions or None,
        sizes.jited_bytes or None,
        *verified,
        {name: found for name, found in memory.items() if found is not None},
    )
