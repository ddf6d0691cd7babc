"""Records handed to a reader on the running kernel: every one is read, lost or counted."""

from __future__ import annotations

import os

import pytest

from ebpf_overhead.hooks.attach_types import REFERENCE
from ebpf_overhead.measure.result import Sampling
from ebpf_overhead.studies.delivery import run
from ebpf_overhead.studies.delivery.cells import choose

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
