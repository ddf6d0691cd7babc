"""Measuring on a simulated machine, where the true cost is known and time is at our command."""

from __future__ import annotations

import itertools
import math
import os
import random
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace

import pytest
from unwatched import Unwatched

from ebpf_overhead.bpf.maps import MapUse
from ebpf_overhead.bpf.syscall import ProgInfo, ProgType, TraceAttachType
from ebpf_overhead.errors import FailedError, MissingToolError, RefusedError, UnsupportedError
from ebpf_overhead.hooks import existing
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.hooks.attach_type import by_name
from ebpf_overhead.hooks.cases import Case, CoAttached, select
from ebpf_overhead.hooks.existing import ExistingHook
from ebpf_overhead.hooks.probe import Probe
from ebpf_overhead.measure import (
    after_detach,
    bystander,
    caller_counter,
    run_count_check,
    sampler,
    sampling,
    session,
    turns,
)
from ebpf_overhead.measure import run as measure
from ebpf_overhead.measure.result import Measurement, Sampling
from ebpf_overhead.measure.run import measure_case, measure_cases
from ebpf_overhead.measure.run_count_check import Hits
from ebpf_overhead.measure.sampling import Precision
from ebpf_overhead.measure.stats import CONFIDENCE, Interval
from ebpf_overhead.measure.undisturbed import Scatter
from ebpf_overhead.programs.event_buffers import Buffer, EventBuffers
from ebpf_overhead.programs.loaded import LoadedAs, LoadedProgram
from ebpf_overhead.programs.map_states import MapState
from ebpf_overhead.programs.static_facts import StaticFacts
from ebpf_overhead.workload import clock

(CASE,) = select(["tp_btf"], ["simple"])
BASELINE_NS = 117.0


FACTS = StaticFacts(2, 2, 20, [0], 2, 0, 0, {})


class Machine(Unwatched):
    """A machine with a probe of a known cost, and disturbances of its own.

    It takes the place of the extension (``run``), of the loaded probe and of the clock.
    """

    def __init__(self, cost_ns: float = 0.0, noise: float = 0.0, seed: int = 0) -> None:
        self.cost_ns = cost_ns
        self.noise = noise
        self.random = random.Random(seed)
        self.now_s = 0.0
        self.drift_ns = 0.0
        self.switches: list[bool] = []
        self.warmup_ns = 0.0
        self.cold = False
        self.closed = False
        self.loadings = 1
        self.tag = "1f0672754c9c6d9f"
        self.proving: list[object] = []
        self.hits = lambda calls: calls
        self.missed: Iterator[int | None] = itertools.repeat(0)
        self.use: MapUse | None = None
        self.kept: EventBuffers | None = None
        self.occupants: tuple[ExistingHook, ...] = ()

    # The probe.
    case = CASE
    hook = "sys_enter"
    program = LoadedProgram(7, LoadedAs(ProgType.TRACING, TraceAttachType.RAW_TP, 1))
    attached = False

    @property
    def compiled(self) -> Machine:
        return self

    def clear(self) -> None:
        pass

    def map_use(self) -> MapUse | None:
        return self.use

    def event_buffers(self) -> EventBuffers | None:
        return self.kept

    def attach(self) -> None:
        if not self.attached:
            self.switches.append(True)
            self.attached = self.cold = True

    def detach(self) -> None:
        if self.attached:
            self.switches.append(False)
            self.attached = False
            self.cold = True

    def let_go(self) -> None:
        self.detach()

    def reload(self) -> None:
        assert not self.attached
        self.loadings += 1

    def load(self, loaded_as: LoadedAs, what: str) -> LoadedProgram:
        return LoadedProgram(open_null(), loaded_as)

    def close(self) -> None:
        self.detach()
        self.closed = True

    # The extension.
    def run(self, target, calls, windows=1, cpu=None, preempted=None):
        return [self.window_ns(calls) for _ in range(windows)], calls * windows

    def window_ns(self, calls: int) -> int:
        """A window: the true cost, slow drift, jitter, and now and then a disturbance."""
        per_call = BASELINE_NS + self.cost_ns * self.attached
        if self.cold:
            per_call += self.warmup_ns
            self.cold = False
        if self.noise:
            self.drift_ns += self.random.gauss(0, self.noise / 20)
            per_call += abs(self.drift_ns) + self.random.expovariate(1 / self.noise)
            if self.random.random() < 0.05:
                per_call += self.random.paretovariate(1.2) * self.noise * 5
        elapsed_ns = round(per_call * calls)
        self.now_s += elapsed_ns / 1e9
        return elapsed_ns

    # The clock.
    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def install(monkeypatch):
    """Measure on this machine from now on."""

    def install(machine: Machine) -> Machine:
        for module in (session, sampler, sampling, after_detach):
            monkeypatch.setattr(module, "_workload", machine)
        monkeypatch.setattr(turns, "time", machine)
        monkeypatch.setattr(measure, "load", lambda case, compiled: machine)
        monkeypatch.setattr(measure, "made", lambda *what: None)
        monkeypatch.setattr(session, "require", lambda target: None)
        monkeypatch.setattr(session, "static_facts", lambda compiled, program: FACTS)
        monkeypatch.setattr(existing, "of", lambda target: machine.occupants)
        monkeypatch.setattr(caller_counter, "open_caller_counter", lambda target, at_exit: None)
        monkeypatch.setattr(
            run_count_check,
            "count_hits",
            lambda probe, calls, call, _: Hits(calls, machine.hits(calls), 9),
        )
        monkeypatch.setattr(
            session,
            "prove_runs",
            lambda probes, call, which="": probes and call(machine.proving.append(probes) or 100),
        )
        monkeypatch.setattr(
            session.syscall,
            "prog_info",
            lambda fd: ProgInfo(machine.loadings, 0, next(machine.missed)),
        )
        return machine

    return install


def measured(sampling: Sampling | None = None, case: Case = CASE) -> Measurement:
    result = measure_case(case, sampling or Sampling(seed=1))
    assert result.status == "measured", result.reason
    assert result.measurement is not None
    return result.measurement


@pytest.mark.parametrize("cost_ns", [0.25, 15.0, 96.0, 870.0])
def test_injected_cost_on_a_quiet_machine_is_found_exactly(install, cost_ns):
    install(Machine(cost_ns))
    result = measured()
    assert result.overhead.estimate == pytest.approx(cost_ns, abs=0.01)
    assert result.baseline.median == pytest.approx(BASELINE_NS, abs=0.01)
    assert result.probed.median == pytest.approx(BASELINE_NS + cost_ns, abs=0.01)
    assert result.stopped_by == "precision"


@pytest.mark.parametrize("cost_ns", [0.0, 15.0, 96.0])
@pytest.mark.parametrize("noise", [1.0, 40.0])
def test_injected_cost_on_a_noisy_machine_is_covered(install, cost_ns, noise):
    """By 99 of 100 intervals; the bound is what 150 of them fall short of once in 30,000."""
    trials = 150
    covered = 0
    for seed in range(trials):
        install(Machine(cost_ns, noise, seed))
        overhead = measured(Sampling(Precision(0.01, 1.0), time_s=0.15, seed=seed)).overhead
        covered += overhead.low <= cost_ns <= overhead.high
    slack = 4 * math.sqrt(CONFIDENCE * (1 - CONFIDENCE) / trials)
    assert covered / trials >= CONFIDENCE - slack


def test_steady_drift_is_not_taken_for_a_cost(install):
    """A machine that gets slower throughout: a baseline measured once would see a cost."""

    class Slowing(Machine):
        def window_ns(self, calls: int) -> int:
            self.drift_ns += 0.05
            self.now_s += 4e-4
            return round((BASELINE_NS + self.drift_ns) * calls)

    install(Slowing())
    excluded = 0
    for seed in range(40):
        result = measured(Sampling(Precision(0, 1e-9), time_s=0.3, seed=seed))
        assert max(result.samples.probed) - min(result.samples.baseline) > 20
        assert abs(result.overhead.estimate) < 1
        excluded += result.overhead.excludes_zero
    assert excluded <= 2


def test_window_after_a_switch_warms_up_and_does_not_count(install):
    machine = install(Machine(15.0))
    machine.warmup_ns = 1e6
    result = measured()
    assert max(result.samples.baseline) == pytest.approx(BASELINE_NS, abs=0.01)
    assert max(result.samples.probed) == pytest.approx(BASELINE_NS + 15, abs=0.01)
    assert len(machine.switches) > 10


def test_windows_come_in_whole_blocks_and_the_probe_is_detached_at_last(install):
    machine = install(Machine(15.0, noise=5.0))
    result = measured()
    samples = result.samples
    assert len(samples.baseline) == len(samples.probed)
    assert len(samples.probed) % samples.windows_per_block == 0
    assert len(samples.differences()) == len(samples.probed) // samples.windows_per_block
    assert not machine.attached
    assert machine.closed
    assert machine.switches == [True, False] * (len(machine.switches) // 2)


def test_either_half_comes_first_by_lot_and_the_seed_decides(install):
    def orders(seed: int) -> list[float]:
        install(Machine(15.0, noise=5.0))
        return list(measured(Sampling(Precision(0, 1e-9), 0.5, seed=seed)).samples.probed)

    assert orders(1) == orders(1)
    assert orders(1) != orders(2)


def test_each_attachment_is_loaded_anew_and_seen_to_run(install):
    machine = install(Machine(15.0, noise=5.0))
    result = measured()
    attachments = machine.switches.count(True)
    blocks = len(result.samples.probed) // result.samples.windows_per_block
    # The first loading is proven with a caller_counter, before sampling.
    assert result.loadings == 1 + blocks == machine.loadings
    assert result.program_tag == machine.tag
    assert machine.proving == [[machine]] * blocks
    assert attachments >= result.loadings


def test_program_that_does_not_run_when_it_is_loaded_anew_is_a_failure(install, monkeypatch):
    install(Machine(15.0))

    def prove_runs(probes, call, which=""):
        if not probes:
            return
        raise FailedError("never fired: 0 hits for 100 calls")

    monkeypatch.setattr(session, "prove_runs", prove_runs)
    result = measure_case(CASE, Sampling())
    assert (result.status, result.reason) == ("failed", "never fired: 0 hits for 100 calls")


def test_instructions_are_counted_of_one_loading_in_one_thread(install, monkeypatch):
    monkeypatch.setenv(clock.VARIABLE, "icount")
    machine, threads = install(Machine(15.0)), set()

    def run(target, calls, windows=1, cpu=None, preempted=None):
        threads.add(threading.get_native_id())
        return Machine.run(machine, target, calls, windows)

    machine.run = run
    result = measured()
    blocks = len(result.samples.probed) // result.samples.windows_per_block
    assert (result.loadings, threads) == (1, {threading.get_native_id()})
    assert machine.switches.count(True) < blocks, "some blocks begin attached as others ended"


class Placed(Machine):
    """A machine on which a probe costs more or less by loading, and by the thread that calls."""

    spread_ns = 8.0

    def __init__(self, cost_ns: float, seed: int) -> None:
        super().__init__(cost_ns, noise=0.5, seed=seed)
        self.mean_ns = cost_ns
        self.place = random.Random(seed)
        self.by_thread: dict[int, float] = {}

    def run(self, target, calls, windows=1, cpu=None, preempted=None):
        place = self.place.gauss(0, self.spread_ns) if self.cold else self.by_loading
        self.by_loading = place
        mine = self.by_thread.setdefault(threading.get_ident(), self.place.gauss(0, 4.0))
        self.cost_ns = self.mean_ns + place + mine
        return super().run(target, calls, windows)


def test_runs_agree_wherever_the_probe_lies(install):
    """Intervals of one loading and one thread would be 1 ns wide, and lie ten apart."""
    trials = 40
    found = []
    for seed in range(2 * trials):
        install(Placed(50.0, seed))
        found.append(measured(Sampling(Precision(0, 3.0), time_s=0.5, seed=seed)).overhead)
        assert 2 < found[-1].half_width < 25
    pairs = zip(found[::2], found[1::2], strict=True)
    meet = sum(max(a.low, b.low) <= min(a.high, b.high) for a, b in pairs)
    assert meet >= 39


def test_sampling_stops_by_time_on_a_machine_that_gives_no_precision(install):
    machine = install(Machine(15.0, noise=300.0))
    started = machine.now_s
    result = measured(Sampling(Precision(0, 0.001), time_s=2.0, seed=1))
    assert result.stopped_by == "time"
    assert 2.0 <= machine.now_s - started < 2.5
    assert result.overhead.half_width > 0.001


def test_more_precision_takes_more_windows(install):
    def windows(absolute: float) -> int:
        install(Machine(15.0, noise=20.0))
        result = measured(Sampling(Precision(0, absolute), time_s=60, seed=1))
        assert result.stopped_by == "precision"
        assert result.overhead.half_width <= absolute
        return len(result.samples.probed)

    assert windows(4.0) < windows(3.2) < windows(3.0)


def test_the_interval_is_worked_out_ever_more_seldom(install, monkeypatch):
    looks: list[int] = []

    def difference(probed, baseline, scatter, unrest) -> Interval:
        looks.append(probed.rounds)
        return Interval(15.0, -math.inf, math.inf, CONFIDENCE)

    monkeypatch.setattr(turns, "difference", difference)
    install(Machine(15.0))
    result = measured(Sampling(Precision(0, 0.5), time_s=20, seed=1))
    assert result.stopped_by == "time"
    assert looks[:3] == [10, 11, 12]
    blocks = len(result.samples.probed) // result.samples.windows_per_block
    assert looks[-1] == blocks, "the last look is at all of them"
    assert len(looks) < blocks / 4
    assert all(later <= sooner * 1.03 + 1 for sooner, later in itertools.pairwise(looks))


def test_progress_grows_to_one(install):
    install(Machine(15.0, noise=20.0))
    seen: list[tuple[Case, float]] = []
    list(measure_cases([CASE], Sampling(Precision(0, 0.5), seed=1), lambda *at: seen.append(at)))
    shares = [share for _, share in seen]
    assert shares == sorted(shares)
    assert 0 <= shares[0] < shares[-2] < shares[-1] == 1.0
    assert {case for case, _ in seen} == {CASE}


def test_missing_hits_are_a_failure_with_both_numbers(install):
    machine = install(Machine())
    machine.hits = lambda calls: 0
    result = measure_case(CASE, Sampling())
    assert result.status == "failed"
    assert result.measurement is None
    assert result.reason == "getpid/tp_btf/simple never fired: 0 hits for 1000 calls"


def test_hits_are_counted_before_and_after_the_windows(install):
    machine = install(Machine())
    counted: list[int] = []

    def hits(calls: int) -> int:
        counted.append(len(machine.switches))
        return calls

    machine.hits = hits
    result = measured()
    assert counted[0] == 1, "before the first window"
    assert counted[1] >= len(machine.switches) - 2, "after the last"
    assert result.hits == Hits(2000, 2000, 18)


def test_probe_that_stops_firing_is_a_failure(install):
    machine = install(Machine())
    answers = iter([1000, 400])
    machine.hits = lambda calls: next(answers)
    assert "400 hits for 1000 calls" in (measure_case(CASE, Sampling()).reason or "")


def test_lost_map_updates_are_a_failure(install):
    machine = install(Machine())
    machine.lost = 123
    result = measure_case(CASE, Sampling())
    assert result.status == "failed"
    assert "failed to do its work 123 times (lost_updates)" in (result.reason or "")


def open_null() -> int:
    return os.open(os.devnull, os.O_RDONLY)


@pytest.mark.parametrize(
    ("together", "first_stays"),
    [(False, True), (True, False)],
)
def test_second_program_is_measured_beside_a_first_one(install, monkeypatch, together, first_stays):
    machine = install(Machine())
    probes: list[Probe] = []

    hooked = replace(CASE.attach, find=by_name, open=lambda *_: open_null())

    def load(case, compiled):
        probes.append(Probe(replace(case, attach=hooked), machine, AttachPoint("sys_enter")))
        return probes[-1]

    monkeypatch.setattr(measure, "load", load)
    counted, first_attached = [], []
    monkeypatch.setattr(
        run_count_check,
        "count_hits",
        lambda probe, calls, *_: counted.append((probe, probe.attached)) or Hits(calls, calls, 0),
    )
    monkeypatch.setattr(
        session,
        "prove_runs",
        lambda probes, call, which="": counted.extend(
            (each, each.attached) for each in probes if which == ", co-attached,"
        ),
    )
    machine.run = lambda target, calls, windows=1, cpu=None, preempted=None: (
        first_attached.append(probes[0].attached) or Machine.run(machine, target, calls, windows)
    )
    two = replace(CASE, co_attached=CoAttached((CASE,), together))
    result = measure_case(two, Sampling())
    assert result.status == "measured", result.reason
    assert (result.case.co_attached.programs, len(probes)) == (2, 2)
    assert all(attached for _, attached in counted), "each is proven while it is attached"
    assert sum(probe is probes[0] for probe, _ in counted) == 2
    assert all(first_attached) is first_stays
    assert any(first_attached)
    assert not probes[0].attached
    assert probes[0].program.fd == -1, "unloaded"


def test_bystanders_calls_are_timed_and_the_targets_proven(install, monkeypatch):
    machine = install(Machine())
    calls_of: list[str] = []

    def run(target, calls, windows=1, cpu=None, preempted=None):
        calls_of.append(target)
        machine.cost_ns = 50.0 if target == "getpid" else 7.0
        return Machine.run(machine, target, calls, windows)

    caller = bystander.Caller(bystander.BYSTANDERS[0], run, 1)
    monkeypatch.setattr(bystander, "open_caller_counter", lambda target, at_exit, thread: None)
    monkeypatch.setattr(
        bystander,
        "count_hits",
        lambda probe, calls, call, caller_counter, expected: Hits(calls, calls, 0, 0, expected),
    )
    monkeypatch.setattr(bystander, "at_work", lambda wanted: nullcontext(caller))
    seen = replace(CASE, caller=bystander.BYSTANDERS[0], after_detach=True)
    result = measure_case(seen, Sampling(seed=1))
    assert result.measurement is not None, result.reason
    assert result.measurement.overhead.estimate == pytest.approx(7, abs=0.01)
    assert result.measurement.hits == Hits(2000, 2000, 18)
    assert result.measurement.bystander_hits == Hits(2000, 2000, 0, 0, 1)
    assert result.measurement.residue is not None
    assert result.measurement.residue.estimate == pytest.approx(0, abs=0.01)
    assert set(calls_of) == {"getppid"}


def test_what_a_probe_leaves_behind_is_its_residue(install):
    machine = install(Machine(15.0))

    def run(target, calls, windows=1, cpu=None, preempted=None):
        extra = 3 * calls * machine.closed
        return [machine.window_ns(calls) + extra for _ in range(windows)], calls * windows

    machine.run = run
    left = measured(Sampling(seed=1), replace(CASE, after_detach=True)).residue
    assert left is not None
    assert left.estimate == pytest.approx(3, abs=0.01)
    assert left.excludes_zero


def test_a_target_that_is_hooked_already_is_labelled(install):
    machine = install(Machine())
    machine.occupants = (ExistingHook("kprobe", "__x64_sys_getpid+0x0"),)
    assert measure_case(CASE, Sampling()).occupants == machine.occupants


def test_only_a_call_that_nothing_else_is_on_is_compared_with_that_of_earlier_runs(install):
    machine = install(Machine())
    earlier = Sampling(seed=1, scatter=Scatter(quietest={"getpid": BASELINE_NS / 2}))

    def unrest() -> float:
        levels = measured(earlier).levels
        assert levels is not None
        return levels.unrest

    assert unrest() == pytest.approx(1, abs=0.01)
    machine.occupants = (ExistingHook("kprobe", "__x64_sys_getpid+0x0"),)
    assert unrest() == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize(("together", "bare"), [(False, False), (True, True)])
def test_a_call_with_co_attached_programs_on_it_is_not_bare(together, bare):
    assert CASE.bare
    assert replace(CASE, co_attached=CoAttached((CASE,), together)).bare is bare
    assert not replace(CASE, caller=bystander.BYSTANDERS[0]).bare


def test_what_the_kernel_reports_of_a_run(install, monkeypatch, tmp_path):
    machine = install(Machine())
    # Of each loading, when it is measured from and to.
    infos = itertools.cycle([(100, 5_000), (300, 11_000)])

    def prog_info(fd):
        runs, time_ns = next(infos)
        return ProgInfo(machine.loadings, runs, 0, time_ns)

    monkeypatch.setattr(session.syscall, "prog_info", prog_info)
    statistics = os.open(tmp_path, os.O_RDONLY)
    monkeypatch.setattr(session.syscall, "enable_stats", lambda: statistics)
    assert measured(case=replace(CASE, statistics=True)).run_time_reported == 30.0
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(statistics)


def test_statistics_stay_off_unless_they_are_asked_for(install, monkeypatch):
    install(Machine())
    monkeypatch.setattr(session.syscall, "enable_stats", lambda: pytest.fail("switched on"))
    # Somebody else may have them on while the tests run.
    monkeypatch.setattr(session.statistics, "are_on", lambda: False)
    assert measured().run_time_reported is None


class Ring:
    """A buffer with one record each time it is looked at."""

    closed = False
    lost = full = 0

    def __init__(self) -> None:
        self.fd, self.write = os.pipe()

    def drain(self) -> int:
        return 1

    def close(self) -> None:
        self.closed = True
        os.close(self.fd)
        os.close(self.write)


@pytest.mark.parametrize("cpus", [{0}, {0, 1}])
def test_records_are_taken_out_by_another_cpu_or_between_windows(install, monkeypatch, cpus):
    machine, ring = install(Machine()), Ring()
    machine.kept = EventBuffers([Buffer("events", [ring])])
    main = threading.get_native_id()
    pinned = []
    monkeypatch.setattr(session.os, "sched_getaffinity", lambda pid: cpus)
    monkeypatch.setattr(os, "sched_setaffinity", lambda tid, to: pinned.append((tid != main, to)))
    made = measured(Sampling(cpu=0))
    assert ring.closed
    assert made.consumer_waits == (cpus != {0})
    assert pinned == ([(True, {1})] if made.consumer_waits else [])
    if not made.consumer_waits:
        halves = 2 * len(made.samples.probed) // made.samples.windows_per_block
        proofs = 2 + made.loadings - 1
        assert made.records == halves + proofs, "after each half of a block and each proof"


def test_buffers_are_given_back_when_measuring_fails(install):
    machine, ring = install(Machine()), Ring()
    machine.kept = EventBuffers([Buffer("events", [ring])])
    machine.hits = lambda calls: 0
    assert measure_case(CASE, Sampling()).status == "failed"
    assert ring.closed


def test_map_use_is_reported(install):
    machine = install(Machine())
    machine.use = MapUse(max_entries=16, entries=5, lost_updates=0)
    assert measured().map_use == machine.use


class Inserting(Machine):
    """A program with a map of some thousand keys, which calls make one by one."""

    keys = 0
    at_first_window: int | None = None

    def run(self, target, calls, windows=1, cpu=None, preempted=None):
        if preempted is not None and self.at_first_window is None:
            self.at_first_window = self.keys
        self.keys = min(self.keys + calls * windows * self.attached, 14_000)
        return super().run(target, calls, windows, cpu, preempted)

    def map_states(self) -> list[MapState]:
        return [MapState("counts", "hash", self.keys, 16_384)]


def test_maps_are_filled_before_anything_is_timed(install, monkeypatch):
    # So few calls are timed to find out how long a window is.
    monkeypatch.setattr(sampling, "_CALIBRATION_CALLS", 10)
    machine = install(Inserting())
    measured()
    assert machine.at_first_window == 14_000


@pytest.mark.parametrize(
    ("before", "after", "missed"), [(3, 10, 7), (None, None, None), (None, 4, None)]
)
def test_missed_runs(install, before, after, missed):
    install(Machine()).missed = itertools.cycle([before, after])
    result = measured()
    assert result.loadings > 1
    assert result.missed == (None if missed is None else missed * result.loadings)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UnsupportedError("EPERM at load: fentry refused", ""), "unsupported"),
        (MissingToolError("libbpf not found", "install it"), "unsupported"),
        (RefusedError("CAP_BPF missing", "run as root"), "refused"),
        (FailedError("does not compile"), "failed"),
    ],
)
def test_what_the_kernel_cannot_do_is_a_row_with_its_reason(monkeypatch, error, status):
    def refuse(case, compiled=None):
        raise error

    monkeypatch.setattr(measure, "made", lambda program, own, beside: None)
    monkeypatch.setattr(measure, "load", refuse)
    monkeypatch.setattr(caller_counter, "open_caller_counter", lambda target, at_exit: None)
    monkeypatch.setattr(existing, "of", lambda target: ())
    result = measure_case(CASE, Sampling())
    assert (result.status, result.reason) == (status, error.what)
    assert result.remedy == (error.remedy or None)


def test_every_case_gets_its_row_whatever_becomes_of_the_others(install, monkeypatch):
    machine = install(Machine(15.0))

    def load(case, compiled=None):
        if case.attach.name == "fentry":
            raise UnsupportedError("EPERM at load: fentry refused")
        return machine

    monkeypatch.setattr(measure, "load", load)
    cases = select(["tracepoint", "fentry", "kprobe"], ["empty"])
    results = list(measure_cases(cases, Sampling()))
    assert [result.case for result in results] == cases
    assert [result.status for result in results] == ["measured", "unsupported", "measured"]


class FakeCallerCounter:
    closed = False

    def close(self) -> None:
        self.closed = True


def test_one_caller_counter_serves_all_cases_and_is_closed(install, monkeypatch):
    install(Machine())
    opened = []

    def open_caller_counter(target, at_exit):
        opened.append(FakeCallerCounter())
        return opened[-1]

    monkeypatch.setattr(caller_counter, "open_caller_counter", open_caller_counter)
    results = measure_cases(select(["tp_btf"]), Sampling())
    next(results)
    assert [caller_counter.closed for caller_counter in opened] == [False]
    results.close()
    assert [caller_counter.closed for caller_counter in opened] == [True]


def test_interrupted_measurement_detaches(install):
    machine = install(Machine())

    def interrupt(calls: int) -> int:
        raise KeyboardInterrupt

    machine.hits = interrupt
    with pytest.raises(KeyboardInterrupt):
        measure_case(CASE, Sampling())
    assert not machine.attached
    assert machine.closed
