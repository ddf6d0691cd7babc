"""What the benchmark classes share: the form in which asv is given what was measured."""

from __future__ import annotations

import pytest
from asv_runner.statistics import compute_stats

from benchmarks import common
from ebpf_overhead.measure.result import Measurement
from ebpf_overhead.measure.run_count_check import Hits
from ebpf_overhead.measure.sampling import Samples
from ebpf_overhead.measure.stats import Interval

MEASUREMENT = Measurement(
    samples=Samples((100.0,) * 4, (150.0,) * 4, 2, 3400),
    overhead=Interval(50.0, 48.5, 54.0, 0.99),
    hits=Hits(2000, 2000, 77),
    missed=0,
    map_use=None,
    stopped_by="precision",
    hook="sys_enter",
)


def test_asv_stores_the_estimate_and_its_interval():
    found = common.tracked(MEASUREMENT)
    value, stats = compute_stats(found["samples"], found["number"])
    assert value == 50.0
    assert (stats["ci_99_a"], stats["ci_99_b"]) == (48.5, 54.0)
    assert stats["q_25"] == pytest.approx(49.25)
    assert (stats["repeat"], stats["number"]) == (9, 6800)


def test_the_reason_why_nothing_is_timed_reaches_every_benchmark(monkeypatch):
    monkeypatch.setenv("EBPF_OVERHEAD_CLOCK", "icount")
    cache = common.timed([])
    assert cache == "time means nothing under icount: see Instructions"
    with pytest.raises(common.SkipNotImplemented, match="under icount"):
        common.cached(cache, "getpid/tp_btf/empty")
