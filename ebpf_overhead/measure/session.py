"""One case while it is measured: loaded, proven, sampled, proven again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace

from ebpf_overhead.bpf import statistics, syscall
from ebpf_overhead.closing import Closing
from ebpf_overhead.hooks.cases import Case
from ebpf_overhead.hooks.probe import Probe
from ebpf_overhead.hooks.probe_group import load_group
from ebpf_overhead.measure import bystander, watch
from ebpf_overhead.measure.after_detach import BeforeProbe
from ebpf_overhead.measure.caller_counter import CallerCounter
from ebpf_overhead.measure.findings import Judgement
from ebpf_overhead.measure.result import Measurement, Sampling
from ebpf_overhead.measure.run_count_check import Hits, prove, prove_runs
from ebpf_overhead.measure.run_tally import RunTally
from ebpf_overhead.measure.sampler import Sampler
from ebpf_overhead.measure.sampling import Sampled, Samples, choose_cpu
from ebpf_overhead.phases import phase
from ebpf_overhead.programs.event_buffers import BufferUse, EventBuffers
from ebpf_overhead.programs.static_facts import StaticFacts, static_facts
from ebpf_overhead.workload import _workload, clock
from ebpf_overhead.workload.workloads import require

# complex draws one of 1024 keys each time: 1024 * (ln 1024 + 4.6) = 12,000 draws leave none
# out in 99 of 100 cases; where the clock counts instructions, it draws less evenly.
_FILLING_RUNS, _FILLINGS_MAX = 50, 6
_NEW_TASK = "task:task_newtask"
# Half blocks in which lost records are counted: they are lost when the reader is late.
_HALVES_WITH_BUFFERS = 10


class CaseSession(Closing):
    """A case whose probes are loaded, and proven to run; nothing is left when it is closed.

    Parameters
    ----------
    case : Case
        What to measure.
    sampling : Sampling
        How to sample.
    caller_counter : CallerCounter or None
        Tells own from foreign runs.
    load : callable
        Loads the probe of a case.
    keep_log : callable
        Called with the loaded probe, before it is attached.

    Attributes
    ----------
    sampler : Sampler
        Measures its blocks.

    Raises
    ------
    OverheadError
        The case cannot be measured here.
    """

    def __init__(
        self,
        case: Case,
        sampling: Sampling,
        caller_counter: CallerCounter | None,
        load: Callable[[Case], Probe],
        keep_log: Callable[[Probe], None],
    ) -> None:
        self.case = case
        self.caller_counter = caller_counter
        self.workload = case.workload
        self.with_statistics = case.statistics
        self.cpu = choose_cpu(sampling.cpu)
        # Called after each half of a block: there is time then.
        self.between_windows: Callable[[], None] = lambda: None
        with ExitStack() as held:
            self.caller = held.enter_context(bystander.at_work(case.caller))
            # Whose calls are timed, and by whom.
            self.timed = case.caller.workload if case.caller else case.workload
            self.run = self.caller.run if self.caller else _workload.run
            self.before = self._time_before()
            # What is attached goes when the rest stays, so that what remains can be measured.
            self._attached = held.enter_context(ExitStack())
            with phase("load"):
                self.group = self._attached.enter_context(load_group(load, case))
            self.probe = self.group.probe
            keep_log(self.probe)
            self.probe.compiled.clear()
            self.buffers = self._emptied_buffers()
            self._begin(sampling)
            self._held = held.pop_all()

    def _time_before(self) -> BeforeProbe | None:
        """Time calls before the first attachment, if those after the last are to be compared."""
        if not self.case.after_detach:
            return None
        require(self.timed)
        return BeforeProbe(self.timed.name, self.cpu, self.caller.run if self.caller else None)

    def _emptied_buffers(self) -> EventBuffers | None:
        """Have the event buffers of the program emptied until it is closed."""
        buffers = self.probe.compiled.event_buffers()
        if buffers is None:
            return None
        self._attached.callback(buffers.close)
        others = os.sched_getaffinity(0) - {self.cpu}
        if others:
            self._attached.enter_context(buffers.emptied(others))
        else:
            self.between_windows = buffers.drain
        return buffers

    def _begin(self, sampling: Sampling) -> None:
        self.hits = self._prove()
        self.bystander_hits = self._prove_bystander()
        self.tally = RunTally(self.probe.program.info())
        self.sampler = Sampler(
            self.timed.name,
            self._switch,
            cpu=self.cpu,
            seed=sampling.seed,
            attached=self.group.attached,
            after_half=lambda attached: self.between_windows(),
            run=self.caller.timed if self.caller else None,
            in_turns=self.caller is None or not self.caller.bystander.elsewhere,
        )
        self._fill_map()
        self.earlier = watch.before(self.group)

    @contextmanager
    def sampling(self) -> Iterator[None]:
        """Have the statistics on while the block samples, if the case wants them or they are on."""
        self.with_statistics = self.case.statistics or statistics.are_on()
        with syscall.counting_runs() if self.with_statistics else nullcontext():
            yield

    def finish(self, sampled: Sampled) -> Measurement:
        """Prove it again and detach it.

        Parameters
        ----------
        sampled : Sampled
            What sampling found.

        Raises
        ------
        FailedError
            The program did not run for every call, or its map was full.
        """
        self.tally.end(self.probe.program.info())
        hits, bystander_hits = self.hits + self._prove(), self.bystander_hits
        if bystander_hits is not None and (again := self._prove_bystander()) is not None:
            bystander_hits += again
        missed = self.tally.missed
        if missed is not None:
            missed += hits.skipped
        map_use = self.probe.compiled.map_use()
        static = self._static_facts()
        self.group.detach()
        judged = self._look(sampled.samples)
        judged.check(self.case.name, self._map_remedy())
        measurement = Measurement(
            sampled.samples,
            sampled.overhead,
            hits,
            missed,
            map_use,
            sampled.stopped_by,
            self.probe.hook,
            run_time_reported=self.tally.run_time if self.with_statistics else None,
            with_statistics=self.with_statistics,
            counted_by="copy" if statistics.refused() else "kernel",
            bystander_hits=bystander_hits,
            loadings=self.tally.loadings,
            program_tag=self.probe.compiled.tag,
            levels=sampled.levels,
            preempted=sampled.preempted,
            findings=judged.findings,
            maps=judged.maps,
            static=static,
        )
        return self._with_what_follows(measurement)

    def _static_facts(self) -> StaticFacts | None:
        with phase("prove"):
            return static_facts(self.probe.compiled, self.probe.program)

    def _look(self, samples: Samples) -> Judgement:
        """See what became of the program's maps and helpers, with the calls of half a block."""
        halves = _HALVES_WITH_BUFFERS if self._buffer_uses() else 1
        windows = samples.windows_per_block + 1  # One more than counts: it warms up.

        def call() -> None:
            for _ in range(halves):
                for _ in range(windows):
                    self._call(samples.calls_per_window)
                self.between_windows()

        calls = halves * windows * samples.calls_per_window
        return watch.look(self.group, self.earlier, call, self._buffer_uses, calls=calls)

    def _buffer_uses(self) -> list[BufferUse]:
        return [] if self.buffers is None else self.buffers.uses()

    def _with_what_follows(self, measurement: Measurement) -> Measurement:
        """Unload it, and add what is known only then."""
        waits = self.buffers is not None and len(os.sched_getaffinity(0)) > 1
        self._attached.close()
        return replace(
            measurement,
            records=None if self.buffers is None else self.buffers.received,
            consumer_waits=waits,
            residue=None if self.before is None else self.before.difference_now(),
        )

    def close(self) -> None:
        """Detach and unload all."""
        self._held.close()

    def _map_remedy(self) -> str:
        own = self.case.program.source is not None
        return "give the map more entries" if own else "measure with fewer processes running"

    def _prove(self) -> Hits:
        with phase("prove"):
            self.group.attach()
            hits = prove(self.probe, self._call, self.caller_counter)
            prove_runs(self.group.others, self._call, ", co-attached,")
            self.between_windows()
            return hits

    def _prove_bystander(self) -> Hits | None:
        if self.caller is None:
            return None
        with phase("prove"):
            hits = self.caller.prove(self.probe, self.cpu)
            self.between_windows()
            return hits

    def _call(self, calls: int) -> None:
        _workload.run(self.workload.name, calls, cpu=self.cpu)

    def _fill_map(self) -> None:
        """Call until the program's maps gain no more keys of these calls.

        The first use of a key is an insert, which costs more than the updates after it.  Where
        calls take exactly the same time, a run of any length sees only some of the keys made of
        the time; which ones depends on when it began.  A call that starts a task has new keys each
        time, without end.
        """
        if _NEW_TASK in self.timed.passed:
            return
        entries = 0
        for _ in range(_FILLINGS_MAX):
            found = sum(each.entries for each in self.probe.compiled.map_states())
            if found <= entries:
                return
            entries = found
            for _ in range(_FILLING_RUNS):
                self.run(self.timed.name, self.timed.few_calls, cpu=self.cpu)

    def _switch(self, attached: bool) -> None:
        reloads = attached and clock.current().layout_sensitive
        if reloads:
            self.tally.end(self.probe.program.info())
        self.group.switch(attached)
        if reloads:
            # A copy that counts itself would say nothing of what is loaded here.
            if not statistics.refused():
                with phase("prove"):
                    prove_runs([self.probe, *self.group.others], self._call)
                    self.between_windows()
            self.tally.begin(self.probe.program.info())
