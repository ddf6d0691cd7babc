"""Every shipped program on the running kernel: it loads, fires, and does its work."""

from __future__ import annotations

import os
from dataclasses import replace

import gate
import pytest

from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.hooks import probe as attach
from ebpf_overhead.hooks.cases import Case, CoAttached, select
from ebpf_overhead.measure import sampler, session
from ebpf_overhead.measure.outcome import Outcome
from ebpf_overhead.measure.result import Sampling
from ebpf_overhead.measure.run import measure_case
from ebpf_overhead.measure.sampling import HalfBlock
from ebpf_overhead.programs.catalogue import PROGRAM_GROUPS, PROGRAMS

# Programs whose map "counts" stays empty: that is what they are about.
_TRIES = 5
IDLE = {"filter_mismatch"}
WITH_A_HASH = {
    *("simple", "complex", "percpu_hash", "lru_hash", "lru_percpu_hash", "hash_reinsert"),
    *("hash_no_prealloc", "updates_1", "updates_8", "updates_64", "filter_match"),
}


@pytest.fixture(params=PROGRAMS)
def case(request, support) -> Case:
    if support["tp_btf"].status != "available":
        gate.cannot_run("this kernel has no tp_btf")
    (chosen,) = select(["tp_btf"], [request.param])
    return chosen


def test_every_program_is_measured_or_refused_by_the_verifiers_words(case, caller_counter):
    result = _measured_with_a_reader_in_time(case)
    if result.status == "unsupported":
        assert " by the verifier: " in result.reason
        return
    assert result.status == "measured", result.reason
    measured = result.measurement
    assert abs(measured.hits.hits - measured.hits.calls) <= measured.hits.slack
    use = measured.map_use
    assert use is None or not use.lost_updates
    found = [each.what for each in measured.findings]
    if case.program.name in IDLE:
        assert len(found) == 1
        assert found[0].startswith("the program returned early in 100 % of ")
    elif found and "probe_read_user" in case.program.name:
        assert "EFAULT" in found[0], "the memory of this process, read by runs for others"
    else:
        assert found == [], "every helper was watched, and did its work"
    if case.program.name in WITH_A_HASH:
        assert 0 < use.entries < use.max_entries
    elif case.program.name in IDLE:
        assert use.entries == 0
    if case.program.group == "buffers":
        assert measured.records >= measured.hits.hits
        assert measured.consumer_waits == (len(os.sched_getaffinity(0)) > 1)
    else:
        assert measured.records is None


def _measured_with_a_reader_in_time(case: Case) -> Outcome:
    """Measure again where other work kept the reader of a buffer from its CPU."""
    for _ in range(_TRIES - 1):
        result = measure_case(case, Sampling(time_s=0.05))
        if "no room" not in (result.reason or ""):
            return result
    return measure_case(case, Sampling(time_s=0.05))


@pytest.mark.parametrize("name", PROGRAM_GROUPS["buffers"])
def test_records_are_taken_out_between_windows_where_there_is_one_cpu(
    name, support, caller_counter
):
    if support["tracepoint"].status != "available":
        gate.cannot_run("this kernel has no tracepoint")
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        (case,) = select(["tracepoint"], [name])
        result = measure_case(case, Sampling(time_s=0.3))
    finally:
        os.sched_setaffinity(0, allowed)
    assert result.status == "measured", result.reason
    measured = result.measurement
    assert not measured.consumer_waits
    samples = measured.samples
    calls = len(samples.probed) * samples.calls_per_window + measured.hits.calls
    assert measured.records >= calls, "every call had its record, and none was lost"
    assert measured.map_use.lost_updates == 0


def test_records_that_find_no_room_are_counted_and_reported(support, caller_counter, monkeypatch):
    """Nobody takes them out, and more are made than there is room for."""

    def unread(session):
        buffers = session.probe.compiled.event_buffers()
        session._attached.callback(buffers.close)
        return buffers

    if support["tracepoint"].status != "available":
        gate.cannot_run("this kernel has no tracepoint")
    monkeypatch.setattr(session.CaseSession, "_emptied_buffers", unread)
    # On a busy machine fewer calls would fill a window, and no buffer.
    monkeypatch.setattr(sampler, "half_block_of", lambda *_: HalfBlock(5_000, 16))
    (case,) = select(["tracepoint"], ["ringbuf_output"])
    result = measure_case(case, Sampling(time_s=0.05))
    assert result.status == "failed"
    assert "bpf_ringbuf_output of map events failed in all of " in result.reason
    assert "EAGAIN (no room in the buffer)" in result.reason


def test_tail_call_serves_several_attach_types_one_after_the_other(support, call):
    available = [
        name
        for name in ("tp_btf", "tracepoint", "raw_tracepoint", "tp_btf")
        if support[name].status == "available"
    ]
    if len(available) < 2:
        gate.cannot_run("this kernel has too few attach types")
    for name in available:
        (case,) = select([name], ["tail_call"])
        with attach.load(case) as probe:
            probe.compiled.clear()
            probe.attach()
            call(100)
            assert probe.compiled.map_use().lost_updates == 0


def test_what_a_kind_of_program_must_not_do_is_unsupported(support):
    """Tracepoints take no spin lock; tracing programs do."""
    if support["tracepoint"].status != "available":
        gate.cannot_run("this kernel has no tracepoint")
    (case,) = select(["tracepoint"], ["spin_lock"])
    with pytest.raises(UnsupportedError, match="tracing progs cannot use bpf_spin_lock"):
        attach.load(case)


def test_second_program_is_proven_too(attach_type, caller_counter, nothing_left):
    (case,) = select([attach_type], ["simple"])
    two = replace(case, co_attached=CoAttached((case,)))
    result = measure_case(two, Sampling(time_s=0.05))
    assert result.status == "measured", result.reason
    hits = result.measurement.hits
    assert abs(hits.hits - hits.calls) <= hits.slack
    nothing_left()


def test_tail_call_of_each_of_several_programs_leads_somewhere(
    attach_type, caller_counter, support
):
    (case,) = select([attach_type], ["tail_call"])
    names = ("tp_btf", "raw_tracepoint", "kprobe")
    available = [name for name in names if support[name].status == "available"]
    others = select(available, ["tail_call"])
    for together in (False, True):
        wanted = replace(case, co_attached=CoAttached((*others, case), together))
        result = measure_case(wanted, Sampling(time_s=0.05))
        assert result.status == "measured", result.reason
        assert result.measurement.map_use.lost_updates == 0


def test_the_kernels_statistics_report_less_than_the_program_costs(
    attach_type, caller_counter, note
):
    """They time the program alone, and not the way to it (docs/bpf-stats.md)."""
    (case,) = select([attach_type], ["simple"])
    result = measure_case(replace(case, statistics=True), Sampling(time_s=0.3))
    assert result.status == "measured", result.reason
    measured = result.measurement
    reported = measured.run_time_reported
    note(f"{attach_type}: reported {reported:.0f} ns, costs {measured.overhead.estimate:.0f} ns")
    assert 0 < reported < measured.overhead.high
