"""The load as a process of its own, which holds the probe on itself as well.

A uprobe is attached to one process, so the process that calls has to attach it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from ebpf_overhead.closing import Closing, DieWithParent
from ebpf_overhead.errors import FailedError, OverheadError
from ebpf_overhead.hooks.cases import Case
from ebpf_overhead.hooks.probe import load
from ebpf_overhead.hooks.probe_group import ProbeGroup
from ebpf_overhead.measure import cost_at_rate, watch
from ebpf_overhead.measure.caller_counter import open_caller_counter
from ebpf_overhead.measure.event_readers import read_as_tools_do
from ebpf_overhead.measure.run_count_check import Hits, prove
from ebpf_overhead.measure.sampler import Sampler
from ebpf_overhead.measure.sampling import HalfBlock, Precision, Sampled
from ebpf_overhead.measure.turns import sample
from ebpf_overhead.workload.paced_load import Pace, SteadyLoad

# Enough for complex to have met nearly all of its 1024 keys (docs/architecture.md).
_WARMING_CALLS = 20_000
# Batches in half a block: with the default pace as long as it takes to detach a probe.
_BATCHES_PER_HALF = 6


class Truth(NamedTuple):
    """What a probe did to a load.

    Attributes
    ----------
    sampled : Sampled
        CPU time per call, probe attached and not, in pairs.
    hits : Hits
        Proof that the program ran at every call.
    batches, late : int
        Batches run, and those that began a whole period too late.
    hook : str
        What the program was attached to.
    """

    sampled: Sampled
    hits: Hits
    batches: int
    late: int
    hook: str


class LoadProcess(Closing):
    """A process that calls a case's workload at a pace; a context manager that ends it.

    Parameters
    ----------
    case : Case
        Target, and the probe to attach to it when asked.
    pace : Pace
        How often it calls.
    cpu : int
        Where.
    by : {"cpu", "calls"}
        What of the load's time `measure` looks at (see SteadyLoad).

    Attributes
    ----------
    pid : int
        Its number.
    """

    def __init__(self, case: Case, pace: Pace, cpu: int, by: str = "cpu") -> None:
        self._arguments = (case, pace, cpu, by)

    def __enter__(self) -> LoadProcess:
        context = multiprocessing.get_context("fork")  # a new Python takes seconds in a guest
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(DieWithParent(), theirs, self._pipe, *self._arguments), daemon=True
        )
        self._process.start()
        theirs.close()
        assert self._process.pid is not None
        self.pid = self._process.pid
        return self

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.kill()  # its descriptors go with it, and so does the probe
        self._process.join()

    def start(self) -> None:
        """Let it call, unprobed, until `stop`."""
        self._pipe.send("run")

    def stop(self) -> None:
        """End that."""
        self._ask("stop")

    def measure(self, precision: Precision, time_s: float) -> Truth:
        """Have the probe attached and detached in turn, and see what that costs the load."""
        truth: Truth = self._ask(("measure", precision, time_s))
        return truth

    def _ask(self, question: Any) -> Any:
        self._pipe.send(question)
        try:
            answer = self._pipe.recv()
        except EOFError as error:
            raise FailedError(
                "the load ended before its time", "look for a message of it"
            ) from error
        if isinstance(answer, BaseException):
            raise answer
        return answer


def _serve(
    die_with_parent: Callable[[], None],
    pipe: Connection,
    others_end: Connection,
    case: Case,
    pace: Pace,
    cpu: int,
    by: str,
) -> None:
    """Answer questions until the other end of the pipe is closed."""
    die_with_parent()
    others_end.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's to handle
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    cpus = os.sched_getaffinity(0)
    steady = SteadyLoad(case.workload.name, pace, cpu, by)
    while True:
        try:
            question = pipe.recv()
            if question == "run":
                steady.run_until(pipe.poll)
                pipe.recv()
                pipe.send(None)
            else:
                pipe.send(_measure(case, steady, pace, cpu, cpus, *question[1:]))
        except EOFError:
            os._exit(0)
        except OverheadError as error:
            pipe.send(error)


def _measure(
    case: Case,
    steady: SteadyLoad,
    pace: Pace,
    cpu: int,
    cpus: set[int],
    precision: Precision,
    time_s: float,
) -> Truth:
    steady.batches = steady.late = 0
    with ExitStack() as stack:
        probe = stack.enter_context(load(case))
        if probe.compiled.output_maps():
            cost_at_rate.require(cpus)
            stack.enter_context(read_as_tools_do(probe.compiled, cpus))
        caller_counter = open_caller_counter(case.workload, case.attach.at_exit)
        if caller_counter is not None:
            stack.callback(caller_counter.close)

        hits = prove(probe, steady.call, caller_counter)
        steady.call(_WARMING_CALLS)
        earlier = watch.before(ProbeGroup(probe))
        sampler = Sampler(
            case.workload.name,
            probe.switch,
            cpu=cpu,
            attached=True,
            run=steady.run,
            half_block=HalfBlock(pace.batch, _BATCHES_PER_HALF),
        )
        sampled = sample(sampler, precision, time_s)
        # What the load pays is what it takes in the middle of the run, whatever disturbs it.
        sampled = sampled._replace(overhead=sampled.samples.median_overhead())
        sampler.switch(True)
        hits += prove(probe, steady.call, caller_counter)
        probe.detach()
        call = partial(steady.call, _WARMING_CALLS)
        judged = watch.look(ProbeGroup(probe), earlier, call, calls=_WARMING_CALLS)
        judged.check(case.name, "give the map more entries")
        return Truth(sampled, hits, steady.batches, steady.late, probe.hook)
