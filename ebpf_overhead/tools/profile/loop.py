"""A loop that calls a workload, unprobed and probed, sampled by perf."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ebpf_overhead.closing import scratch_directory
from ebpf_overhead.errors import FailedError
from ebpf_overhead.hooks.cases import Case
from ebpf_overhead.hooks.probe import Probe, load
from ebpf_overhead.measure.run_count_check import Hits, prove_with_counter
from ebpf_overhead.measure.sampler import Sampler
from ebpf_overhead.measure.sampling import Precision, choose_cpu
from ebpf_overhead.measure.stats import quartiles
from ebpf_overhead.measure.turns import sample
from ebpf_overhead.tools.profile import perf_tool
from ebpf_overhead.tools.profile.parts import Target, target_of
from ebpf_overhead.tools.profile.stacks import Frame, Stacks, inside, parse
from ebpf_overhead.workload import _workload, clock

# Time between samples.  It is not a round number, because samples could keep step with the timer
# tick.  Under icount, a second is 10**9 instructions, which take longer, so there are more samples.
_PERIOD = {"wall": 250_007, "icount": 30_011}
_TIMING_S = 0.5
_PAUSE_MAX = 200
_EXTENSION = Path(_workload.__file__).name


@dataclass(frozen=True)
class SampledLoop:
    """The loop, with the probe or without it.

    Attributes
    ----------
    per_call : float
        Median time per call in ns (or instructions), without sampling, from paired windows.
    stacks : Stacks
        Samples, from the function of the loop inwards.
    hits : Hits or None
        Run count check of the program; None without the probe.
    """

    per_call: float
    stacks: Stacks
    hits: Hits | None = None


@dataclass(frozen=True)
class LoopProfile:
    """The loop without the probe and with it.

    Attributes
    ----------
    case : Case
        The probe.
    hook : str
        Its attach point.
    target : Target
        The workload, as stacks show it.
    unprobed, probed : SampledLoop
        The loop without the probe and with it.
    """

    case: Case
    hook: str
    target: Target
    unprobed: SampledLoop
    probed: SampledLoop


def profile_loop(case: Case, seconds: float, say: Callable[[str], None]) -> LoopProfile:
    """Sample a loop for some seconds without a probe, and for the same time with it.

    Parameters
    ----------
    case : Case
        Workload and probe.
    seconds : float
        Time of each; in a guest that counts instructions, 10**9 instructions are one second.
    say : callable
        Called with one line on the progress.

    Raises
    ------
    OverheadError
        perf is missing or refused, or the probe cannot be attached here.
    """
    perf_tool.require()
    with ExitStack() as stack:
        probe = stack.enter_context(load(case))
        folder = stack.enter_context(scratch_directory())
        loop = _Loop(case.workload.name, seconds, folder)
        say(f"Timing {case.workload.name} without and with {case.attach.name} {case.program.name}")
        hits = prove_with_counter(probe, loop.call)
        baseline, probed = loop.time(probe)
        probe.detach()
        say("Sampling without the probe")
        without = SampledLoop(baseline, loop.sampled("unprobed", baseline))
        probe.attach()
        say("Sampling with the probe")
        having = SampledLoop(probed, loop.sampled("probed", probed), hits)
        return LoopProfile(case, probe.hook, target_of(case.workload, probe.hook), without, having)


class _Loop:
    def __init__(self, name: str, seconds: float, folder: Path) -> None:
        self._name = name
        self._seconds = seconds
        self._folder = folder
        self._cpu = choose_cpu()

    def call(self, calls: int) -> None:
        _workload.run(self._name, calls, cpu=self._cpu)

    def time(self, probe: Probe) -> tuple[float, float]:
        """Return the median time per call without the probe and with it, from paired windows."""

        def switch(on: bool) -> None:
            probe.attach() if on else probe.detach()

        # Stacks are sampled in this thread, with the program loaded once.  So is this time.
        sampler = Sampler(
            self._name, switch, cpu=self._cpu, attached=probe.attached, in_turns=False
        )
        samples = sample(sampler, Precision(), _TIMING_S).samples
        return quartiles(samples.baseline).median, quartiles(samples.probed).median

    def sampled(self, name: str, per_call: float) -> Stacks:
        target = ["--tid", str(threading.get_native_id())]
        period = _PERIOD[clock.current().name]
        calls = max(round(period / per_call), 1)
        recording = perf_tool.Recording(target, period, self._folder / name)
        with recording.running(), recording.sampling():
            end = time.monotonic() + self._seconds
            while time.monotonic() < end:
                # The loop and the samples are both regular, in a guest exactly so.  The time of
                # taking a sample depends on the code.  So samples would fall into step with the
                # loop.  A pause of random length before every one or two samples prevents that.
                sum(range(random.randrange(_PAUSE_MAX)))
                _workload.run(self._name, calls, cpu=self._cpu)
        stacks = inside(parse(perf_tool.script(recording.data)), _is_loop)
        if not stacks:
            raise FailedError(
                f"perf took no sample of the loop in {self._seconds:g} s", "sample longer"
            )
        return stacks


def _is_loop(frame: Frame) -> bool:
    """Whether a function is a loop of the extension, or a function that a loop calls."""
    own = frame.place.endswith(_EXTENSION)
    return own and frame.name.startswith(("loop_", "ebpf_overhead_", "[unknown]"))
