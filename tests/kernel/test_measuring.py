"""Measuring on the running kernel: null test, order of the programs, full maps, formats."""

from __future__ import annotations

import itertools
import json
import random
import re
import statistics
from functools import partial

import go_benchmarks
import jsonschema
import pytest
from processes import run_command
from unwatched import Unwatched

from ebpf_overhead.bpf import perf_event
from ebpf_overhead.bpf.syscall import ProgInfo, ProgType
from ebpf_overhead.hooks import probe as attach
from ebpf_overhead.hooks.cases import (
    ATTACH_TYPES,
    PROGRAMS,
    STANDARD_ATTACH_TYPES,
    STANDARD_PROGRAMS,
    select,
)
from ebpf_overhead.measure import run as measure
from ebpf_overhead.measure import run_count_check, session
from ebpf_overhead.measure.result import Sampling
from ebpf_overhead.measure.run import measure_case
from ebpf_overhead.measure.run_count_check import Hits
from ebpf_overhead.measure.sampling import choose_cpu
from ebpf_overhead.programs import compiled as programs
from ebpf_overhead.programs.bcc_compile import Source
from ebpf_overhead.programs.loaded import LoadedAs, LoadedProgram
from ebpf_overhead.studies.registry import schema
from ebpf_overhead.workload import _workload, clock
from ebpf_overhead.workload.calling_threads import CallingThreads


class NoProbe(Unwatched):
    """A probe that attaches nothing: both sides of a comparison are the same."""

    hook = "nothing"
    tag = "0000000000000000"
    program = LoadedProgram(-1, LoadedAs(ProgType.TRACING))
    attached = False

    def __init__(self, case, compiled=None) -> None:
        self.case = case

    @property
    def compiled(self) -> NoProbe:
        return self

    def clear(self) -> None:
        pass

    def map_use(self) -> None:
        return None

    def event_buffers(self) -> None:
        return None

    def attach(self) -> None:
        self.attached = True

    def detach(self) -> None:
        self.attached = False

    let_go = detach

    def reload(self) -> None:
        pass

    def close(self) -> None:
        self.detach()


COMPARISONS = 50
FALSE_FINDINGS_MAX = 2


def test_nothing_against_nothing_is_no_difference(monkeypatch, note):
    """A/A: a 99 % interval excludes zero by chance once in a hundred.

    Three of fifty happen by chance in 1.4 % of runs, so a second fifty decides then.
    """
    monkeypatch.setattr(measure, "load", NoProbe)
    monkeypatch.setattr(session.syscall, "prog_info", lambda fd: ProgInfo(0, 0, None))
    monkeypatch.setattr(session, "prove_runs", lambda probes, call, which="": None)
    monkeypatch.setattr(run_count_check, "count_hits", lambda _, calls, *__: Hits(calls, calls, 0))
    if nothing_against_nothing(0, note) > FALSE_FINDINGS_MAX:
        assert nothing_against_nothing(COMPARISONS, note) <= FALSE_FINDINGS_MAX


def nothing_against_nothing(first_seed: int, note) -> int:
    """Return how many of fifty comparisons find a difference where there is none."""
    (case,) = select(["tp_btf"], ["empty"])
    differences = []
    for seed in range(first_seed, first_seed + COMPARISONS):
        result = measure_case(case, Sampling(time_s=0.3, seed=seed))
        assert result.measurement is not None, result.reason
        differences.append(result.measurement.overhead)
    excluding = [each for each in differences if each.excludes_zero]
    widest = max(abs(each.estimate) for each in differences)
    half_widths = sorted(each.half_width for each in differences)
    note(
        f"A/A: {COMPARISONS} comparisons, {len(excluding)} intervals exclude zero,"
        f" widest |difference| {widest:.2f} ns,"
        f" median half-width {half_widths[COMPARISONS // 2]:.2f} ns"
    )
    return len(excluding)


ROUNDS = 40


def costs_by_round(probes: dict[str, attach.Probe]) -> dict[str, list[float]]:
    """Return the shortest window of each probe in each round, ns per call; ``none`` without any.

    In a round all take turns, so that a disturbed moment hits all alike.  Each round has
    another thread call, and loads the programs anew: where they lie in memory changes what
    a call costs, by more than some programs differ.
    """
    cpu, calls = choose_cpu(), 500
    costs: dict[str, list[float]] = {name: [] for name in ["none", *probes]}
    with CallingThreads(random.Random()) as threads:
        for _ in range(ROUNDS):
            do = threads.turn()
            for name in random.sample(list(costs), len(costs)):
                if name != "none":
                    probes[name].switch(True)
                elapsed_ns, _ = do(partial(_workload.run, "getpid", calls, windows=6, cpu=cpu))
                if name != "none":
                    probes[name].switch(False)
                costs[name].append(min(elapsed_ns[1:]) / calls)
    return costs


def test_more_work_costs_more(attach_type, note):
    """Complex does what simple does and more, and so on: the least that numbers must show."""
    cases = select([attach_type], STANDARD_PROGRAMS)
    probes = {case.program.name: attach.load(case) for case in cases}
    try:
        costs = costs_by_round(probes)
    finally:
        for probe in probes.values():
            probe.close()
    shown = ", ".join(f"{name} {statistics.median(each):.0f}" for name, each in costs.items())
    note(f"{attach_type}: median of {ROUNDS} rounds, ns per call: {shown}")
    for less, more in itertools.pairwise(["none", "empty", "simple", "complex"]):
        differences = [b - a for a, b in zip(costs[less], costs[more], strict=True)]
        assert statistics.median(differences) > 0, (less, more, sorted(differences))


def test_full_map_is_a_failure_with_the_numbers(attach_type, caller_counter, monkeypatch):
    tiny = programs.with_maps(
        "complex", Source(programs.source_path("complex")), max_entries={"counts": 16}
    )
    monkeypatch.setattr(measure, "load", lambda case, compiled: attach.load(case, tiny))
    (case,) = select([attach_type], ["complex"])
    result = measure_case(case, Sampling(time_s=0.05))
    assert result.status == "failed"
    told = re.fullmatch(
        rf"getpid/{attach_type}/complex lost (\d+) updates: map counts full with 16 entries"
        r" \(E2BIG in (all|[\d,]+) of [\d,]+ calls of bpf_map_update_elem\)",
        result.reason,
    )
    assert told, result.reason
    # The program ran a little longer, until it was detached.
    assert 100 < int(told[1]) <= tiny.map_use().lost_updates


def test_shipped_complex_map_does_not_fill(attach_type, caller_counter):
    (case,) = select([attach_type], ["complex"])
    result = measure_case(case, Sampling(time_s=0.2))
    assert result.status == "measured", result.reason
    use = result.measurement.map_use
    assert use.lost_updates == 0
    assert 0 < use.entries < use.max_entries / 2


@pytest.fixture(scope="module")
def run_of_everything():
    """One real run of the command over all cases."""
    return run_command("measure", "--time", "0.05", "--format", "json")


def test_json_of_a_real_run_is_valid_and_complete(run_of_everything, support):
    assert run_of_everything.returncode == 0, run_of_everything.stderr
    record = json.loads(run_of_everything.stdout)
    jsonschema.validate(record, schema())
    statuses = {(case["attach"], case["program"]): case["status"] for case in record["cases"]}
    assert list(statuses) == [
        (attach_type, program)
        for program in STANDARD_PROGRAMS
        for attach_type in STANDARD_ATTACH_TYPES
    ]
    for (attach_type, _), status in statuses.items():
        here = support[attach_type].status
        assert status == ("measured" if here == "available" else here)


def test_everything_measured_is_proven(run_of_everything):
    for case in json.loads(run_of_everything.stdout)["cases"]:
        if case["status"] != "measured":
            continue
        assert case["calls"] >= 2000
        assert abs(case["hits"] - case["calls"]) <= case["hits_slack"]
        assert case["foreign_hits"] >= 0
        assert case["lost_updates"] in ({0} if case["program"] != "empty" else {None})
        assert case["windows"] == len(case["samples"]["probed"]) > 0
        assert case["overhead"]["low"] <= case["overhead"]["estimate"] <= case["overhead"]["high"]


def test_nothing_is_said_besides_the_result(run_of_everything):
    assert run_of_everything.stderr == ""


def test_gobench_of_a_real_run_parses(some_attach_type):
    run = run_command(
        "measure", "--attach", some_attach_type, "--time", "0.05", "--format", "gobench"
    )
    assert run.returncode == 0, run.stderr
    configuration, results = go_benchmarks.parse(run.stdout)
    assert configuration["goos"] == "linux"
    names = {result.name for result in results}
    go_name = ATTACH_TYPES[some_attach_type].go_name
    assert names == {
        "GetpidWithoutAnyProbes/getpid",
        *(f"Getpid{go_name}With{PROGRAMS[each].go_name}/getpid" for each in STANDARD_PROGRAMS),
    }
    assert all(result.value > 0 for result in results)


def test_only_what_cannot_be_measured_is_status_3(support):
    unsupported = [name for name, here in support.items() if here.status != "available"]
    if not unsupported:
        pytest.skip("this kernel has every attach type")
    arguments = [part for name in unsupported for part in ("--attach", name)]
    run = run_command("measure", *arguments)
    assert run.returncode == 3
    for name in unsupported:
        assert name in run.stdout
    assert "Traceback" not in run.stdout + run.stderr


def test_case_is_measured_by_a_counter(some_attach_type, monkeypatch):
    """By one that every kernel has, and that counts ns: the CPU's own may be missing here."""
    monkeypatch.setattr(perf_event, "instructions", lambda: perf_event.counter(1, 1))  # task clock
    (case,) = select([some_attach_type], ["complex"])
    with clock.counting():
        result = measure_case(case, Sampling(time_s=0.5))
    measured = result.measurement
    assert measured is not None, result.reason
    assert measured.hits.hits == measured.hits.calls
    assert measured.overhead.estimate > 10
    assert measured.samples.calls_per_window > 1000
