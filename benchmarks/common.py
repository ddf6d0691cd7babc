"""What the benchmark classes share: parameters, timer, and the skip with its reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from types import FunctionType
from typing import TypeVar

from asv_runner.benchmarks.mark import SkipNotImplemented

from ebpf_overhead.asv.samples import samples_of
from ebpf_overhead.bpf import statistics
from ebpf_overhead.errors import OverheadError, RefusedError, UnsupportedError, status_of
from ebpf_overhead.hooks.cases import STANDARD_ATTACH_TYPES, STANDARD_PROGRAMS, Case, select
from ebpf_overhead.measure import machine_lock
from ebpf_overhead.measure.percall import CLOCK, Window, attach_proven
from ebpf_overhead.measure.result import Measurement, Result, Sampling
from ebpf_overhead.measure.run import measure_cases
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.workload import clock

# The same on every machine: what a kernel cannot do is skipped, not left out.
GRID = (list(STANDARD_ATTACH_TYPES), list(STANDARD_PROGRAMS))
GRID_NAMES = ("attach", "program")

_Class = TypeVar("_Class")

# How time is measured: asv puts results of one version together only.  1 was of one loading in
# one thread, 2 the medians of whatever disturbed the machine.
TIMED = "3"


def versions(**of_methods: str) -> Callable[[type[_Class]], type[_Class]]:
    """Give each benchmark of a class the version that its stored results carry.

    asv compares and publishes results of one version only.  By default the version is a hash
    of the benchmark's code, so that moving or renaming code orphans every stored result.  The
    versions here are those hashes as they were when they were pinned.  Change one only when
    the values mean something else.

    Parameters
    ----------
    **of_methods : str
        Version by the method's name.  An inherited method is copied, because asv reads the
        version from the function, which the classes would share.
    """

    def pin(cls: type[_Class]) -> type[_Class]:
        for name, version in of_methods.items():
            method = getattr(cls, name)
            own = FunctionType(
                method.__code__, method.__globals__, name, closure=method.__closure__
            )
            own.__qualname__ = f"{cls.__qualname__}.{name}"
            own.__dict__.update(method.__dict__, version=version)
            setattr(cls, name, own)
        return cls

    return pin


class Tracked:
    """A class whose ``track_`` methods return costs: asv is to know that less is better.

    Those of a class with a ``setup_cache`` only read what that measured: they are answered all
    at once (`ebpf_overhead.asv.plugin.answering`), not by a process each.
    """

    only_read_cache = True

    def __init_subclass__(cls) -> None:
        for name, method in vars(cls).items():
            if name.startswith("track_"):
                method.__dict__.setdefault("less_is_better", True)


class PerCall:
    """A benchmark whose timed function is one window, reported per call of the target."""

    version = TIMED
    timer = CLOCK
    number = 1
    rounds = 1
    repeat = (10, 30, 1.0)
    warmup_time = 0
    timeout = 60


def case_of(attach: str, program: str, target: str | None = None) -> Case:
    """Return the case of a combination of parameters.

    The target is the attach type's own unless it is given, as a parameter or as
    ``target/attach type``.
    """
    before, _, name = attach.rpartition("/")
    wanted = target or before
    return select([name], [program], [wanted] if wanted else ())[0]


def tracked(measurement: Measurement) -> dict[str, object]:
    """Return the overhead in the form in which a ``track_*`` gets asv's statistics."""
    samples = measurement.samples
    number = samples.windows_per_block * samples.calls_per_window
    return tracked_interval(measurement.overhead, number)


def tracked_interval(overhead: Interval, number: int) -> dict[str, object]:
    """Return an interval in the form in which a ``track_*`` gets asv's statistics."""
    return samples_of(overhead.estimate, overhead.low, overhead.high, number)


def counts_instructions() -> bool:
    """Whether this machine's clock counts instructions."""
    return clock.current() is clock.ICOUNT


def require_time() -> None:
    """Skip a benchmark of time where the clock has none, or not the plain one; be alone."""
    if counts_instructions():
        raise SkipNotImplemented("time means nothing under icount: see Instructions")
    machine_lock.hold_until_end()  # asv runs each benchmark in a process
    if warning := statistics.warning():
        raise SkipNotImplemented(warning)


def require_instructions() -> None:
    """Skip a benchmark of instructions where the clock is a clock."""
    if not counts_instructions():
        raise SkipNotImplemented("the clock here counts no instructions")


Counted = Mapping[str, Result] | str


def counted(cases: Iterable[Case], sampling: Sampling | None = None) -> Counted:
    """Measure cases in instructions, in one go, by the guest's clock or the CPU's counter.

    Parameters
    ----------
    cases : iterable of Case
        What to measure.
    sampling : Sampling, optional
        How to sample, if not as usual.

    Returns
    -------
    dict or str
        Results by name; or why nothing here counts instructions, or not the plain ones.
    """
    machine_lock.hold_until_end()
    if warning := statistics.warning():
        return warning
    try:
        with nullcontext() if counts_instructions() else clock.counting():
            found = measure_cases(cases, sampling or Sampling())
            return {result.name: result for result in found}
    except (UnsupportedError, RefusedError) as error:
        return str(error)


def timed(cases: Iterable[Case]) -> Counted:
    """Measure cases in time, in turns.

    Returns
    -------
    dict or str
        Results by name; or why the clock here has no time, or not the plain one.
    """
    try:
        require_time()
    except SkipNotImplemented as reason:
        return str(reason)
    return {result.name: result for result in measure_cases(cases, Sampling())}


def cached(cache: Counted, name: str) -> Measurement:
    """Return the measurement of that name out of all that were made in one go.

    Skips the benchmark where there is none, and fails where the case failed.
    """
    if isinstance(cache, str):
        raise SkipNotImplemented(cache)
    return measurement(cache[name])


def measurement(result: Result) -> Measurement:
    """Return a result's measurement; skip the benchmark, or fail, where there is none."""
    if result.measurement is None:
        if result.status == "failed":
            raise RuntimeError(result.reason)
        raise SkipNotImplemented(f"{result.status}: {result.reason}")
    return result.measurement


@contextmanager
def skip_unmeasurable() -> Iterator[None]:
    """Let asv show n/a, with the reason, for what this kernel cannot do."""
    try:
        yield
    except OverheadError as error:
        if status_of(error) == "failed":
            raise
        raise SkipNotImplemented(f"{status_of(error)}: {error}") from error


class ProbedPerCall(PerCall):
    """The same with one program attached, proven to fire."""

    def setup(self, *case: str) -> None:
        require_time()
        chosen = case_of(*case)
        with skip_unmeasurable():
            self.probe = attach_proven(chosen)
        self.window = Window(chosen.workload.name)

    def teardown(self, *case: str) -> None:
        if hasattr(self, "probe"):
            self.probe.close()
