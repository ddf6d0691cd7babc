"""What ``funclatency`` prints, and its record."""

from __future__ import annotations

import json

import pytest
from latency_words import latencies

from ebpf_overhead.latency.histogram import Scale
from ebpf_overhead.latency.own_cost import OwnCost
from ebpf_overhead.latency.record import Observation, make_record
from ebpf_overhead.latency.text import lines
from ebpf_overhead.latency.ways import Way
from ebpf_overhead.stats import Interval
from ebpf_overhead.tracers.filters import Filters
from ebpf_overhead.tracers.hooks import Point


def observation(seen, scale=None, filters=None, missed=0) -> Observation:
    way = Way("fentry/fexit", Point("fentry", "vfs_read"), Point("fexit", "vfs_read"))
    cost = OwnCost(Interval(200.0, 190.0, 210.0, 0.99), Interval(80.0, 78.0, 82.0, 0.99))
    scale, filters = scale or Scale(), filters or Filters()
    return Observation("vfs_read", way, filters, scale, 2.0, "time", seen, missed, cost)


def printed(*args, correct=False, **options) -> str:
    return "\n".join(lines(observation(*args, **options), "ns", correct))


def test_histogram_average_and_rate():
    text = printed(latencies([300, 300, 600]))
    assert "     nsecs                    : count     distribution" in text
    assert f"       256 -> 511             : 2        |{'*' * 40}|" in text
    assert f"       512 -> 1023            : 1        |{'*' * 20}{' ' * 20}|" in text
    assert "avg = 400 nsecs, total: 1,200 nsecs, count: 3, 1.5 calls/s" in text
    assert "own cost: 200 ± 10 ns a call, through fentry/fexit" in text
    assert "without them the average is 320.0 ns (--correct)" in text
    assert "not in it" not in text


def test_correction_on_request_never_goes_below_zero():
    assert "avg = 320 nsecs (corrected)" in printed(latencies([400]), correct=True)
    assert "avg = 0 nsecs (corrected)" in printed(latencies([50]), correct=True)


def test_function_too_short_for_the_tracer_is_pointed_out():
    assert "too short" in printed(latencies([100]))
    assert "too short" not in printed(latencies([400]))


def test_what_is_not_in_the_histogram():
    seen = latencies([400], entered=8, unmatched=2, overwritten=3, lost=1)
    text = printed(seen, missed=5)
    for words in ("3 had not returned", "2 returned without", "3 begun again", "1 lost", "5 runs"):
        assert f"not in it: {words}" in text


def test_never_called():
    text = printed(latencies(), filters=Filters(pid=7))
    assert text == "vfs_read was not called by process 7 in 2.0 s (via fentry/fexit)"


def test_units():
    text = printed(latencies([5_000_000], rows=[(2, 1)]), scale=Scale("msecs", 1_000_000))
    assert "msecs" in text
    assert "avg = 5 msecs" in text


def test_record_is_json_and_complete():
    record = json.loads(json.dumps(make_record(observation(latencies([300, 600])), "ns")))
    assert record["calls"] == 2
    assert record["average"] == 450
    assert record["average_corrected"] == 370
    assert record["calls_per_second"] == 1.0
    assert record["percentiles"]["50"] == pytest.approx(300, rel=0.04)
    assert sum(row["calls"] for row in record["histogram"]) == 2
    assert record["own_cost"]["inside"]["estimate"] == 80.0
