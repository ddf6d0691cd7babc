"""A loop that calls a target, unprobed and probed, with perf looking on."""

from __future__ import annotations

import random
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ebpf_overhead import _workload, clock
from ebpf_overhead.attach import Probe, load
from ebpf_overhead.cases import Case
from ebpf_overhead.errors import FailedError
from ebpf_overhead.hooks.loaded import entry_symbols
from ebpf_overhead.profile import perf_tool
from ebpf_overhead.profile.parts import Target
from ebpf_overhead.profile.stacks import Frame, Stacks, inside, parse
from ebpf_overhead.proof import Hits, open_witness, prove
from ebpf_overhead.sampling import Precision, Sampler, choose_cpu
from ebpf_overhead.stats import quartiles

# Time between samples.  Not a round number, or samples could keep step with the timer tick;
# under icount a second is a thousand million instructions, which take longer, so more of them.
_PERIOD = {"wall": 250_007, "icount": 30_011}
_TIMING_S = 0.5
_PAUSE_MAX = 200
_EXTENSION = Path(_workload.__file__).name


@dataclass(frozen=True)
class Half:
    """The loop with the probe, or without it.

    Attributes
    ----------
    per_call : float
        Median time of a call, ns (or instructions), with nobody sampling; of both halves in pairs.
    stacks : Stacks
        Samples, from the loop's function inwards.
    hits : Hits or None
        Proof that the program ran at every call; None without the probe.
    """

    per_call: float
    stacks: Stacks
    hits: Hits | None = None


@dataclass(frozen=True)
class LoopProfile:
    """Both.

    Attributes
    ----------
    case : Case
        The probe.
    hook : str
        What it was attached to.
    target : Target
        What is probed, as stacks show it.
    unprobed, probed : Half
        The two halves.
    """

    case: Case
    hook: str
    target: Target
    unprobed: Half
    probed: Half


def profile_loop(case: Case, seconds: float, say: Callable[[str], None]) -> LoopProfile:
    """Sample a loop for some seconds without a probe, and as long with it.

    Parameters
    ----------
    case : Case
        Target and probe.
    seconds : float
        Of each half; in a guest that counts instructions, 10**9 of them are one.
    say : callable
        Told in a line what goes on.

    Raises
    ------
    OverheadError
        perf is missing or refused, or the probe cannot be attached here.
    """
    perf_tool.require()
    with ExitStack() as stack:
        probe = stack.enter_context(load(case))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        loop = _Loop(case.target.name, seconds, folder)
        say(f"timing {case.target.name} without and with {case.attach.name} {case.program.name}")
        hits = _proven(probe, loop.call)
        baseline, probed = loop.time(probe)
        probe.detach()
        say("sampling it without")
        without = Half(baseline, loop.sampled("unprobed", baseline))
        probe.attach()
        say("sampling it with the probe")
        having = Half(probed, loop.sampled("probed", probed), hits)
        return LoopProfile(case, probe.hook, _target(probe), without, having)


class _Loop:
    def __init__(self, name: str, seconds: float, folder: Path) -> None:
        self._name = name
        self._seconds = seconds
        self._folder = folder
        self._cpu = choose_cpu()

    def call(self, calls: int) -> None:
        _workload.run(self._name, calls, cpu=self._cpu)

    def time(self, probe: Probe) -> tuple[float, float]:
        """Return the median time of a call without the probe and with it, from pairs."""

        def switch(on: bool) -> None:
            probe.attach() if on else probe.detach()

        # Stacks are of this thread and of this loading of the program: they are timed, too.
        sampler = Sampler(
            self._name, switch, cpu=self._cpu, attached=probe.attached, in_turns=False
        )
        samples = sampler.sample(Precision(), _TIMING_S).samples
        return quartiles(samples.baseline).median, quartiles(samples.probed).median

    def sampled(self, name: str, per_call: float) -> Stacks:
        target = ["--tid", str(threading.get_native_id())]
        period = _PERIOD[clock.current().name]
        calls = max(round(period / per_call), 1)
        recording = perf_tool.Recording(target, period, self._folder / name)
        with recording.running(), recording.sampling():
            end = time.monotonic() + self._seconds
            while time.monotonic() < end:
                # The loop and the samples are both regular, in a guest exactly so, and taking a
                # sample takes longer in one place than in another: they would fall into step.
                # So there is a pause of another length before each sample or two.
                sum(range(random.randrange(_PAUSE_MAX)))
                _workload.run(self._name, calls, cpu=self._cpu)
        stacks = inside(parse(perf_tool.script(recording.data)), _is_loop)
        if not stacks:
            raise FailedError(
                f"perf took no sample of the loop in {self._seconds:g} s", "sample longer"
            )
        return stacks


def _is_loop(frame: Frame) -> bool:
    """Whether a function is a loop of the extension, or one that it calls; not its framework."""
    own = frame.place.endswith(_EXTENSION)
    return own and frame.name.startswith(("loop_", "ebpf_overhead_", "[unknown]"))


def _proven(probe: Probe, call: Callable[[int], None]) -> Hits:
    witness = open_witness(probe.case.target, probe.case.attach.at_exit)
    try:
        return prove(probe, call, witness)
    finally:
        if witness is not None:
            witness.close()


def _target(probe: Probe) -> Target:
    """Return the functions that are the target: its entry, and what the probe is attached to."""
    target = probe.case.target
    if target.syscall is None:
        return Target(in_user_space=True)
    function = probe.hook.partition("+")[0]
    return Target(frozenset({*entry_symbols(target), function}))
