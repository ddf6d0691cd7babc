"""What the benchmark classes share: parameters, timer, and the skip with its reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext

from asv_runner.benchmarks.mark import SkipNotImplemented

from ebpf_overhead import clock
from ebpf_overhead.attach import status_of
from ebpf_overhead.cases import STANDARD_ATTACH_TYPES, STANDARD_PROGRAMS, Case, select
from ebpf_overhead.errors import OverheadError, RefusedError, UnsupportedError
from ebpf_overhead.measure import Measurement, Options, Result, measure_cases
from ebpf_overhead.percall import CLOCK, Window, attach_proven
from ebpf_overhead.sampling import Samples

# The same on every machine: what a kernel cannot do is skipped, not left out.
GRID = (list(STANDARD_ATTACH_TYPES), list(STANDARD_PROGRAMS))
GRID_NAMES = ("attach", "program")


# How time is measured: asv puts results of one version together only.  1 was of one loading in
# one thread.
TIMED = "2"


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


def tracked(samples: Samples) -> dict[str, object]:
    """Return the overhead in the form in which a ``track_*`` gets asv's statistics.

    asv prints such a value in full, so the median is kept short: an odd number of
    samples, each to a hundredth.
    """
    differences = samples.differences().round(2).tolist()
    odd = differences[: (len(differences) - 1) // 2 * 2 + 1]
    return {"samples": odd, "number": samples.windows_per_block * samples.calls_per_window}


def counts_instructions() -> bool:
    """Whether this machine's clock counts instructions."""
    return clock.current() is clock.ICOUNT


def require_time() -> None:
    """Skip a benchmark of time where the clock counts instructions."""
    if counts_instructions():
        raise SkipNotImplemented("time means nothing under icount: see Instructions")


def require_instructions() -> None:
    """Skip a benchmark of instructions where the clock is a clock."""
    if not counts_instructions():
        raise SkipNotImplemented("the clock here counts no instructions")


Counted = Mapping[str, Result] | str


def counted(cases: Iterable[Case]) -> Counted:
    """Measure cases in instructions, in one go; see `counted_results`."""
    return counted_results(lambda: measure_cases(cases, Options()))


def counted_results(measure: Callable[[], Iterable[Result]]) -> Counted:
    """Measure in instructions, in one go, by the guest's clock or the CPU's counter.

    Returns
    -------
    dict or str
        Results by name; or why nothing here counts instructions.
    """
    try:
        with nullcontext() if counts_instructions() else clock.counting():
            return {result.name: result for result in measure()}
    except (UnsupportedError, RefusedError) as error:
        return str(error)


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
        self.window = Window(chosen.target.name)

    def teardown(self, *case: str) -> None:
        if hasattr(self, "probe"):
            self.probe.close()
