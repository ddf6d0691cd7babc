"""Cost that was put there: programs with 1 to 256 additional instructions."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import pairwise

from ebpf_overhead.bpf.native_code import native_code
from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.hooks import instruction_length
from ebpf_overhead.hooks.cases import Case
from ebpf_overhead.hooks.probe import Probe, load
from ebpf_overhead.measure.caller_counter import CallerCounters
from ebpf_overhead.measure.result import Measurement, Sampling
from ebpf_overhead.measure.session import CaseSession
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.measure.turns import Turns
from ebpf_overhead.measure.undisturbed import Scatter, difference
from ebpf_overhead.studies.selfcheck import additional
from ebpf_overhead.studies.selfcheck.comparing import Comparing, Progress
from ebpf_overhead.studies.selfcheck.judging import Check, never_less
from ebpf_overhead.workload import clock

ADDITIONAL = tuple(1 << power for power in range(9))
_PART = "injected cost"
_TIME_S = 4.0
# Instructions per call by which the cost of all of them may be off.
_EXACT = 0.5


def injected(how: Comparing, attach: str, progress: Progress) -> Iterator[Check]:
    """Measure programs that differ by a known number of instructions."""
    emitted = emitted_for(attach)
    most = ADDITIONAL[-1]
    yield Check(
        *(_PART, f"instructions that the JIT makes of {most}", "instructions"),
        seen=emitted,
        expected=most,
        low=most,
        high=most,
    )
    without, *measured = _measure((0, *ADDITIONAL), how, attach, progress)
    costs = {
        number: _difference(each, without)
        for number, each in zip(ADDITIONAL, measured, strict=True)
    }
    unit = clock.current().unit
    exact = unit == "instructions"
    yield Check(
        *(_PART, f"each of {most} additional instructions", unit),
        seen=costs[most].estimate / most,
        expected=emitted / most if exact else None,
        low=(emitted - _EXACT) / most if exact else None,
        high=(emitted + _EXACT) / most if exact else None,
    )
    steps = [_difference(more, less) for less, more in pairwise((without, *measured))]
    yield never_less(_PART, "more instructions that take less", steps)
    yield Check(
        *(_PART, "additional instructions that are detected, and all more", "instructions"),
        seen=fewest(costs),
        low=1,
        high=most,
        comparisons=len(costs),
    )


def emitted_for(attach: str) -> int:
    """Return how many instructions of the machine the most additional ones become.

    Raises
    ------
    OverheadError
        The kernel does not show the code, or has no JIT.
    """
    with additional.probe(attach) as without, additional.probe(attach, ADDITIONAL[-1]) as probe:
        few, many = (count(native_code(each.program.fd)) for each in (without, probe))
    return many - few


def count(code: bytes) -> int:
    """Return how many instructions of this machine some code has.

    Raises
    ------
    UnsupportedError
        It is not known here how long they are.
    """
    machine = platform.machine()
    if machine == "aarch64":
        return len(code) // 4
    if machine != "x86_64":
        raise UnsupportedError(f"instructions of {machine} are not counted", "use x86_64 or arm64")
    found = at = 0
    while at < len(code):
        at += instruction_length.length_of(code[at : at + 15])
        found += 1
    return found


def _measure(
    numbers: Sequence[int], how: Comparing, attach: str, progress: Progress
) -> list[Measurement]:
    """Measure the program with each number of additional instructions: in time, in turns."""
    sampling = Sampling(cpu=how.cpu, seed=how.seed)
    together = len(numbers) if clock.current().layout_sensitive else 1
    found = []
    with CallerCounters() as counters:
        for start in range(0, len(numbers), together):
            with ExitStack() as held:
                sessions = [
                    held.enter_context(_session(number, attach, sampling, counters))
                    for number in numbers[start : start + together]
                ]
                turns = Turns([each.sampler for each in sessions], sampling.precision, how.seed)
                with ExitStack() as meanwhile:
                    for session in sessions:
                        meanwhile.enter_context(session.sampling())
                    turns.run(
                        _TIME_S * (10 if how.thorough else 1), lambda turn, share: progress(share)
                    )
                found += [each.finish(turns.result(each.sampler)) for each in sessions]
    return found


def _session(number: int, attach: str, sampling: Sampling, counters: CallerCounters) -> CaseSession:
    case = additional.case(attach, number)
    compiled = additional.compiled(number)

    def load_it(case: Case) -> Probe:
        return load(case, compiled)

    counter = counters.of(case.workload, case.attach.at_exit)
    return CaseSession(case, sampling, counter, load_it, lambda probe: None)


def _difference(more: Measurement, less: Measurement) -> Interval:
    if more.levels is None or less.levels is None:
        return more.overhead - less.overhead
    return difference(more.levels.probed, less.levels.probed, Scatter())


def fewest(costs: dict[int, Interval]) -> int:
    """Return from which number of additional instructions on all are detected; 0 for none."""
    found = 0
    for number in sorted(costs, reverse=True):
        if costs[number].low <= 0:
            break
        found = number
    return found
