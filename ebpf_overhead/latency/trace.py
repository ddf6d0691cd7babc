"""A running trace: the tracer attached to both ends of a function, and its counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from ebpf_overhead.errors import BadUseError, OverheadError
from ebpf_overhead.latency.histogram import Latencies, Scale
from ebpf_overhead.latency.ways import Way, no_way, ways_in
from ebpf_overhead.programs import CompiledProgram, compile_source
from ebpf_overhead.tracers import hooks, source
from ebpf_overhead.tracers.filters import Filters
from ebpf_overhead.tracers.hooks import Hook


@dataclass
class Trace:
    """A pair of hooks with the map that both count in.

    Attributes
    ----------
    way : Way
        Where it is attached.
    """

    way: Way
    _compiled: CompiledProgram = field(repr=False)
    _hooks: list[Hook] = field(repr=False)

    def read(self) -> Latencies:
        """Return what was counted since the tracer was compiled."""
        return read(self._compiled)

    def missed(self) -> int | None:
        """Return how many runs the kernel left out; None where it does not tell."""
        counts = [hook.missed() for hook in self._hooks]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None

    def close(self) -> None:
        """Detach: first where calls begin, so that those under way can still end."""
        while self._hooks:
            self._hooks.pop().close()


def compiled_tracer(filters: Filters, scale: Scale) -> CompiledProgram:
    """Compile ``latency.c`` for some filters and units."""
    definitions = [*filters.definitions(), *scale.definitions()]
    return compile_source("latency", source("latency"), definitions, ("entered", "returned"))


def read(compiled: CompiledProgram) -> Latencies:
    """Return what a tracer counted so far."""
    table = compiled.table("latencies")
    assert table is not None
    return Latencies.of_cpus(np.array([np.frombuffer(cpu, np.uint64) for cpu in table[0]]))


def open_way(compiled: CompiledProgram, way: Way) -> Trace:
    """Attach a tracer to both ends of a way.

    Raises
    ------
    OverheadError
        The kernel refused one of the two; nothing stays attached.
    """
    returned = hooks.attach(compiled, "returned", way.exit)
    try:
        entered = hooks.attach(compiled, "entered", way.entry)
    except BaseException:
        returned.close()
        raise
    return Trace(way, compiled, [returned, entered])


@contextmanager
def traced(compiled: CompiledProgram, way: Way) -> Iterator[Trace]:
    """Trace while the block runs."""
    trace = open_way(compiled, way)
    try:
        yield trace
    finally:
        trace.close()


def choose_way(compiled: CompiledProgram, target: str, via: str | None = None) -> Way:
    """Return the first way in to a target that the kernel allows, found by trying.

    Parameters
    ----------
    compiled : CompiledProgram
        The tracer.
    target : str
        What to trace; see :func:`ebpf_overhead.latency.ways.ways_in`.
    via : str, optional
        Kind of way to use and no other.

    Raises
    ------
    BadUseError
        There is no such function, or the kind of way does not lead to the target.
    UnsupportedError, RefusedError
        No way is open here, with the kernel's reasons.
    """
    ways = ways_in(target)
    wanted = [way for way in ways if via in (None, way.kind)]
    if not wanted:
        raise BadUseError(f"{via} does not lead to {target}", f"choose of {_kinds(ways)}")
    reasons: dict[str, OverheadError] = {}
    for way in wanted:
        try:
            open_way(compiled, way).close()
            return way
        except OverheadError as error:
            reasons.setdefault(way.kind, error)
    raise no_way(target, reasons)


def _kinds(ways: Iterable[Way]) -> str:
    return ", ".join(dict.fromkeys(way.kind for way in ways))
