"""Counting how often attach points run now, with the cheapest hooks that work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt

from ebpf_overhead.bpf import maps
from ebpf_overhead.errors import BadUseError, OverheadError, RefusedError
from ebpf_overhead.hooks.attach_type import FUNCTION, TRACEPOINT
from ebpf_overhead.hooks.hook import Hook, Site, attach
from ebpf_overhead.hooks.symbols import explain_name, is_traceable, not_traceable
from ebpf_overhead.programs.compiled import CompiledProgram
from ebpf_overhead.programs.loaded import load_code
from ebpf_overhead.programs.program_object import Constant
from ebpf_overhead.tools.estimate.places import Place
from ebpf_overhead.tools.tracers import compiled_tracer
from ebpf_overhead.tools.tracers.filters import Filters
from ebpf_overhead.tools.tracers.waiting import Watch

# The number of a target in count.c.
_TARGET = Constant("TARGET")

Counts = npt.NDArray[np.uint64]


@dataclass
class Counter:
    """Attached counters.

    Attributes
    ----------
    places : list of Place
        The attach points, in the order of the counts.
    hooks : list of Hook
        The counting hooks, in the same order.
    refused : dict of Place to OverheadError
        Attach points that cannot be counted, and why.
    """

    compiled: CompiledProgram = field(repr=False)
    places: list[Place]
    hooks: list[Hook]
    refused: dict[Place, OverheadError]

    def read(self) -> Counts:
        """Return the events of each attach point since the counters were attached."""
        events = self.compiled.maps.fds["events"]
        per_cpu = (maps.lookup(events, index) for index in range(len(self.places)))
        return np.array([np.frombuffer(each, np.uint64).sum() for each in per_cpu], np.uint64)


@dataclass(frozen=True)
class Rates:
    """How often attach points ran.

    Attributes
    ----------
    seconds : float
        Duration of the counting.
    events : ndarray, shape (places,)
        Events of each attach point.
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
    """Count the events of attach points while the block runs.

    Raises
    ------
    OverheadError
        None can be counted; the error is that of the first one.
    """
    compiled = compiled_counter(filters, len(places))
    counter = Counter(compiled, [], [], {})
    with ExitStack() as stack:
        for place in places:
            try:
                hook = attach_counter(compiled, place.counting_sites(), len(counter.places), place)
            except OverheadError as error:
                counter.refused[place] = error
                continue
            stack.callback(hook.close)
            counter.places.append(place)
            counter.hooks.append(hook)
        if not counter.places:
            raise next(iter(counter.refused.values()))
        yield counter


def compiled_counter(filters: Filters, targets: int) -> CompiledProgram:
    """Return ``count.c`` for some filters, with counters for some targets."""
    constants = {**filters.constants(), _TARGET: 0}
    return compiled_tracer("count", ["count"], constants, max_entries={"events": targets})


def attach_counter(
    compiled: CompiledProgram, sites: list[Site], index: int, place: Place | None = None
) -> Hook:
    """Attach the counter with number ``index`` at the first site that the kernel allows."""
    code = compiled.code("count", TARGET=index)
    reasons: dict[str, OverheadError] = {}
    for site in sites:
        try:
            return attach(site, partial(load_code, code, "count"))
        except OverheadError as error:
            reasons.setdefault(site.attach_type.name, error)
    raise _cannot_count(place, reasons)


# What does not need the hooks of this kernel.
ELSEWHERE = "estimate POINT --kernel 6.12 --rate 20000/s, where you know the rate"


def _cannot_count(place: Place | None, reasons: dict[str, OverheadError]) -> OverheadError:
    if place is not None and place.kind == FUNCTION:
        wrong = explain_name(place.name)
        if wrong is not None:
            return wrong
        if is_traceable(place.name) is False:
            return not_traceable(place.name)
    error = next(iter(reasons.values()))
    details = "; ".join(f"{name}: {each.what}" for name, each in reasons.items())
    remedy = f"a guest may have the hooks: {ELSEWHERE}"
    if place is not None and place.kind == TRACEPOINT:
        remedy = "tracefs has the names: events/CATEGORY/EVENT"
    if isinstance(error, BadUseError | RefusedError):
        remedy = error.remedy or remedy
    return type(error)(f"{place} cannot be counted here: {details}", remedy)


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
        Called every second with the duration so far.
    started : callable, optional
        Called when the counting has begun.
    """
    start = before = counter.read()
    started()
    at, seconds = 0.0, 0.0
    steps: list[npt.NDArray[np.float64]] = []
    for seconds in watch.ticks(1.0):
        now = counter.read()
        # The rest of a second at the end is left out, unless it is all there is.
        if seconds - at > 0.9 or not steps:
            steps.append((now - before) / (seconds - at))
            before, at = now, seconds
        tick(seconds)
    return Rates(seconds, counter.read() - start, np.array(steps), watch.ended_by)
