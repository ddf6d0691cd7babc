"""A running trace: the tracer attached to entry and return of a function, and its counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from ebpf_overhead.bpf import maps
from ebpf_overhead.errors import BadUseError, OverheadError
from ebpf_overhead.hooks.hook import Hook, attach
from ebpf_overhead.programs.compiled import CompiledProgram
from ebpf_overhead.programs.loaded import load_code
from ebpf_overhead.programs.program_object import Constant
from ebpf_overhead.tools import tracers
from ebpf_overhead.tools.funclatency.histogram import LatencyCounts, Scale
from ebpf_overhead.tools.funclatency.hook_pairs import (
    REGISTERS,
    HookPair,
    no_pair,
    pairs_on,
)
from ebpf_overhead.tools.tracers.filters import Filters


@dataclass
class Trace:
    """A pair of hooks, with the map of their counts.

    Attributes
    ----------
    pair : HookPair
        The pair of hooks.
    """

    pair: HookPair
    _compiled: CompiledProgram = field(repr=False)
    _hooks: list[Hook] = field(repr=False)

    def read(self) -> LatencyCounts:
        """Return the counts since the tracer was compiled."""
        return read(self._compiled)

    def missed(self) -> int | None:
        """Return how many runs the kernel skipped; None where it does not count them."""
        counts = [hook.program.info().recursion_misses for hook in self._hooks]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None

    def close(self) -> None:
        """Detach at the entry first, so that running calls can still return."""
        while self._hooks:
            self._hooks.pop().close()


def compiled_tracer(filters: Filters, scale: Scale) -> CompiledProgram:
    """Compile ``latency.c`` for some filters and units."""
    constants = {**filters.constants(), **{Constant(name): 0 for name in REGISTERS}}
    return tracers.compiled_tracer(
        "latency", ("entered", "returned"), constants, macros=scale.definitions()
    )


def read(compiled: CompiledProgram) -> LatencyCounts:
    """Return the counts of a tracer so far."""
    values = maps.lookup(compiled.maps.fds["latencies"], 0)
    return LatencyCounts.of_cpus(np.frombuffer(values, np.uint64).reshape(maps.possible_cpus(), -1))


def open_pair(compiled: CompiledProgram, pair: HookPair) -> Trace:
    """Attach a tracer at entry and return.

    Raises
    ------
    OverheadError
        The kernel refused one of them; nothing stays attached.
    """
    registers = pair.registers()
    loads = {
        name: partial(load_code, compiled.code(name, **registers), name)
        for name in ("returned", "entered")
    }
    with ExitStack() as stack:
        hooks = [stack.enter_context(attach(site, loads["returned"])) for site in pair.exits]
        hooks.append(stack.enter_context(attach(pair.entry, loads["entered"])))
        stack.pop_all()
    return Trace(pair, compiled, hooks)


@contextmanager
def traced(compiled: CompiledProgram, pair: HookPair) -> Iterator[Trace]:
    """Trace while the block runs."""
    trace = open_pair(compiled, pair)
    try:
        yield trace
    finally:
        trace.close()


def choose_pair(compiled: CompiledProgram, target: str, via: str | None = None) -> HookPair:
    """Return the first pair of hooks that the kernel allows on a target, found by trying.

    Parameters
    ----------
    compiled : CompiledProgram
        The tracer.
    target : str
        What to trace: see :func:`ebpf_overhead.tools.funclatency.hook_pairs.pairs_on`.
    via : str, optional
        The only kind of hooks to use.

    Raises
    ------
    BadUseError
        There is no such function, or this kind of hooks does not exist for the target.
    UnsupportedError, RefusedError
        The kernel allows none, for the given reasons.
    """
    pairs = pairs_on(target)
    wanted = [pair for pair in pairs if via in (None, pair.kind)]
    if not wanted:
        raise BadUseError(f"{via} does not exist for {target}", f"choose of {_kinds(pairs)}")
    reasons: dict[str, OverheadError] = {}
    for pair in wanted:
        try:
            open_pair(compiled, pair).close()
            return pair
        except OverheadError as error:
            reasons.setdefault(pair.kind, error)
    raise no_pair(target, reasons)


def _kinds(pairs: Iterable[HookPair]) -> str:
    return ", ".join(dict.fromkeys(pair.kind for pair in pairs))
