"""What the benchmark classes share: parameters, timer, and the skip with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from asv_runner.benchmarks.mark import SkipNotImplemented

from ebpf_overhead.attach import status_of
from ebpf_overhead.cases import ATTACH_TYPES, PROGRAMS, Case, select
from ebpf_overhead.errors import OverheadError
from ebpf_overhead.percall import CLOCK

# The same on every machine: what a kernel cannot do is skipped, not left out.
GRID = (list(ATTACH_TYPES), list(PROGRAMS))
GRID_NAMES = ("attach", "program")


class PerCall:
    """A benchmark whose timed function is one window, reported per call of the target."""

    timer = CLOCK
    number = 1
    rounds = 1
    repeat = (10, 30, 1.0)
    warmup_time = 0
    timeout = 60


def case_of(attach: str, program: str) -> Case:
    """Return the case of a pair of parameters."""
    (case,) = select([attach], [program])
    return case


@contextmanager
def skip_unmeasurable() -> Iterator[None]:
    """Let asv show n/a, with the reason, for what this kernel cannot do."""
    try:
        yield
    except OverheadError as error:
        if status_of(error) == "failed":
            raise
        raise SkipNotImplemented(f"{status_of(error)}: {error}") from error
