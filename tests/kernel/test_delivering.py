"""Records handed to a reader on the running kernel: every one is read, lost or counted."""

from __future__ import annotations

import os

import gate
import pytest
from processes import start_python

from ebpf_overhead.hooks.attach_types import REFERENCE
from ebpf_overhead.hooks.cases import select
from ebpf_overhead.measure.cost_at_rate import cost_at_rate
from ebpf_overhead.measure.paced import Pacing
from ebpf_overhead.measure.result import Sampling
from ebpf_overhead.studies.delivery import run
from ebpf_overhead.studies.delivery.cells import choose
from ebpf_overhead.tools.estimate.calling import callers_sleep
from ebpf_overhead.tools.estimate.places import Place
from ebpf_overhead.tools.tracers.filters import Filters

# Flat out, so that it takes little time; what is checked are counts.
_SAMPLING = Sampling(time_s=0.05)
_TWO = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="the reader needs a CPU")


@pytest.mark.parametrize(
    ("buffer", "reader"),
    [
        pytest.param("ring", "woken", marks=_TWO),
        pytest.param("ring_never", "timed", marks=_TWO),
        pytest.param("perf_64", "busy", marks=_TWO),
        ("ring_force", "same_cpu"),
        ("perf_1", "same_cpu"),
        ("ring", "none"),
        ("perf_1", "none"),
    ],
)
def test_every_record_is_accounted_for(buffer, reader):
    # That those read are those written is checked by what is tested.
    (found,) = [
        each
        for each in run.measure(choose([buffer], [reader], [0]), REFERENCE[0], _SAMPLING)
        if each.cell.buffer.name == buffer
    ]
    assert found.outcome.status == "measured", found.outcome.reason
    assert found.delivery.records + found.delivery.lost >= run._ROUNDS
    if reader == "none":
        assert found.delivery.records == 0 < found.delivery.lost
        assert found.delivery.reader_ns is None
    else:
        assert found.delivery.records > 0
        assert found.delivery.reader_ns > 0


@_TWO
@pytest.mark.parametrize("sleeps", [False, True], ids=["works", "sleeps"])
@pytest.mark.parametrize("program", ["ringbuf_output", "perf_event_array"])
def test_program_is_measured_at_a_rate_with_a_reader_of_its_own(support, program, sleeps):
    """That records are read is checked by what is tested; nobody else makes any."""
    if support["uprobe"].status != "available":
        gate.cannot_run("this kernel has no uprobe")
    (case,) = select(["uprobe"], [program], ["function"])
    found = cost_at_rate(case, Pacing(1_000, sleeps), 0.1)
    assert found.sleeps is sleeps
    assert 0 < found.per_s <= 1_000
    assert found.lost_share == 0


@pytest.mark.parametrize(("between", "asleep"), [("time.sleep(0.001)", True), ("pass", False)])
def test_what_callers_do_in_between_is_seen(between, asleep):
    code = f"import os, time\nprint(flush=True)\nwhile True:\n os.getppid()\n {between}"
    with start_python(code) as caller:
        caller.stdout.readline()
        place = Place("syscall", "getppid")
        assert callers_sleep([place], Filters(pid=caller.pid)) is asleep
        caller.kill()
