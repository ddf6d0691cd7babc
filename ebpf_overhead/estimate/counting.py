"""Counting how often places run now, with the cheapest hooks that work."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ebpf_overhead.errors import FailedError, OverheadError, UnsupportedError
from ebpf_overhead.estimate.places import Place
from ebpf_overhead.programs import CompiledProgram, compile_source
from ebpf_overhead.tracers import hooks, source
from ebpf_overhead.tracers.filters import Filters
from ebpf_overhead.tracers.hooks import Hook, Point
from ebpf_overhead.tracers.symbols import explain_name, is_traceable
from ebpf_overhead.tracers.waiting import Watch

# TARGET of count.c.
_TARGET = struct.pack("=i", 0x7A12E755)

Counts = npt.NDArray[np.uint64]


@dataclass
class Counter:
    """Attached counters.

    Attributes
    ----------
    places : list of Place
        What is counted, in the order of the counts.
    hooks : list of Hook
        By what, in the same order.
    refused : dict of Place to OverheadError
        What could not be counted, and why.
    """

    compiled: CompiledProgram = field(repr=False)
    places: list[Place]
    hooks: list[Hook]
    refused: dict[Place, OverheadError]

    def read(self) -> Counts:
        """Return the events of each place since the counters were attached."""
        table = self.compiled.table("events")
        assert table is not None
        return np.array([sum(table[index]) for index in range(len(self.places))], np.uint64)


@dataclass(frozen=True)
class Rates:
    """How often places ran.

    Attributes
    ----------
    seconds : float
        How long they were counted.
    events : ndarray, shape (places,)
        How often each ran.
    steps : ndarray, shape (seconds, places)
        Events per second in each second.
    ended_by : str
        What ended the counting.
    """

    seconds: float
    events: Counts
    steps: npt.NDArray[np.float64]
    ended_by: str


@contextmanager
def counters(places: list[Place], filters: Filters) -> Iterator[Counter]:
    """Count places while the block runs.

    Raises
    ------
    OverheadError
        None of the places can be counted; why the first one cannot.
    """
    definitions = [*filters.definitions(), f"TARGETS={len(places)}"]
    compiled = compile_source("count", source("count"), definitions, ["count"])
    counter = Counter(compiled, [], [], {})
    with ExitStack() as stack:
        for place in places:
            try:
                hook = attach_counter(compiled, place.counting_points(), len(counter.places), place)
            except OverheadError as error:
                counter.refused[place] = error
                continue
            stack.callback(hook.close)
            counter.places.append(place)
            counter.hooks.append(hook)
        if not counter.places:
            raise next(iter(counter.refused.values()))
        yield counter


def attach_counter(
    compiled: CompiledProgram, points: list[Point], index: int, place: Place | None = None
) -> Hook:
    """Attach the counter of number ``index`` to the first point that the kernel allows."""
    code: bytes = compiled.module.dump_func(b"count")
    if code.count(_TARGET) != 1:
        raise FailedError(f"count.c has {code.count(_TARGET)} places for the target's number")
    patched = code.replace(_TARGET, struct.pack("=i", index))
    reasons: dict[str, OverheadError] = {}
    for point in points:
        try:
            return hooks.attach_code(patched, "count", point)
        except OverheadError as error:
            reasons.setdefault(point.attach, error)
    raise _cannot_count(place, reasons)


def _cannot_count(place: Place | None, reasons: dict[str, OverheadError]) -> OverheadError:
    if place is not None and place.kind == "function":
        wrong = explain_name(place.name)
        if wrong is not None:
            return wrong
        if is_traceable(place.name) is False:
            return UnsupportedError(f"{place} cannot be hooked: ftrace has no place for it there")
    error = next(iter(reasons.values()))
    details = "; ".join(f"{attach}: {each.what}" for attach, each in reasons.items())
    return type(error)(f"{place} cannot be counted here: {details}", error.remedy)


def count(
    counter: Counter,
    watch: Watch,
    tick: Callable[[float], None] = lambda seconds: None,
    started: Callable[[], None] = lambda: None,
) -> Rates:
    """Count until the watch ends.

    Parameters
    ----------
    counter : Counter
        Attached counters.
    watch : Watch
        What ends it.
    tick : callable, optional
        Told every second how long it has counted.
    started : callable, optional
        Called when everything from now on counts.
    """
    start = before = counter.read()
    started()
    at, seconds = 0.0, 0.0
    steps: list[npt.NDArray[np.float64]] = []
    for seconds in watch.ticks(1.0):
        now = counter.read()
        # The rest of a second at the end is no second; unless there is nothing else.
        if seconds - at > 0.9 or not steps:
            steps.append((now - before) / (seconds - at))
            before, at = now, seconds
        tick(seconds)
    return Rates(seconds, counter.read() - start, np.array(steps), watch.ended_by)
