"""The output of ``funclatency``, and its record."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import pytest
from latency_words import latencies

from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.tools.funclatency.histogram import Scale
from ebpf_overhead.tools.funclatency.hook_pairs import pairs_on
from ebpf_overhead.tools.funclatency.own_cost import OwnCost
from ebpf_overhead.tools.funclatency.record import Observation, make_record
from ebpf_overhead.tools.funclatency.text import lines
from ebpf_overhead.tools.records import schema
from ebpf_overhead.tools.tracers.filters import Filters


def observation(seen, scale=None, filters=None, missed=0) -> Observation:
    pair = pairs_on("vfs_read")[0]
    cost = OwnCost(Interval(200.0, 190.0, 210.0, 0.99), Interval(80.0, 78.0, 82.0, 0.99))
    scale, filters = scale or Scale(), filters or Filters()
    return Observation("vfs_read", pair, filters, scale, 2.0, "time", seen, missed, cost)


def printed(*args, correct=False, **options) -> str:
    return "\n".join(lines(observation(*args, **options), "ns", correct))


def test_histogram_average_and_rate():
    text = printed(latencies([300, 300, 600]))
    assert "     nsecs               : count    distribution" in text
    assert f"       256 -> 511        : 2        |{'*' * 40}|" in text
    assert f"       512 -> 1023       : 1        |{'*' * 20}{' ' * 20}|" in text
    assert "avg = 400 nsecs, total: 1,200 nsecs, count: 3, 1.5 calls/s" in text
    assert "own cost: 200 ± 10 ns per call, with fentry/fexit" in text
    assert "without them the average is 320.0 ns (--correct)" in text
    assert "not in it" not in text


@pytest.mark.parametrize("longest_ns", [300, 10**6, 10**10, 10**15])
def test_histogram_fits_a_terminal(longest_ns):
    lines = printed(latencies([300] * 1000 + [longest_ns])).splitlines()
    rows = [line for line in lines if " -> " in line]
    assert len(rows) >= 1
    assert len({len(row) for row in rows}) == 1
    assert len(rows[0]) <= 80


def test_correction_on_request_never_goes_below_zero():
    assert "avg = 320 nsecs (corrected)" in printed(latencies([400]), correct=True)
    assert "avg = 0 nsecs (corrected)" in printed(latencies([50]), correct=True)


def test_function_that_is_too_short_is_reported():
    assert "too short" in printed(latencies([100]))
    assert "too short" not in printed(latencies([400]))


def test_calls_that_are_not_in_the_histogram():
    seen = latencies([400], entered=8, unmatched=2, overwritten=3, lost=1)
    text = printed(seen, missed=5)
    for words in (
        "3 had not returned",
        "2 returned, but",
        "3 outer calls of a recursion",
        "1 lost",
        "5 runs",
    ):
        assert f"not in it: {words}" in text


def test_returns_that_were_not_seen():
    seen = latencies([400], entered=8, overwritten=3, unreturned=1, outer_unreturned=2)
    assert "not in it: 3 ended, and their return was not seen" in printed(seen)
    assert "not in it: 3 had not returned" in printed(seen)


def test_more_calls_at_the_end_than_a_kretprobe_follows():
    seen = observation(latencies([400], entered=100_000))
    kretprobe = replace(seen, pair=pairs_on("vfs_read")[1])
    words = "or their return was not seen: a kretprobe follows"
    assert words in "\n".join(lines(kretprobe, "ns", False))
    assert words not in "\n".join(lines(seen, "ns", False))


def test_never_called():
    text = printed(latencies(), filters=Filters(pid=7))
    assert text == "vfs_read was not called by process 7 in 2.0 s (via fentry/fexit)"


def test_units():
    text = printed(latencies([5_000_000], rows=[(2, 1)]), scale=Scale("msecs", 1_000_000))
    assert "msecs" in text
    assert "avg = 5 msecs" in text


def test_record_is_json_and_complete():
    record = json.loads(json.dumps(make_record(observation(latencies([300, 600])), "ns")))
    jsonschema.validate(record, schema("funclatency"))
    assert record["calls"] == 2
    assert record["average"] == 450
    assert record["average_corrected"] == 370
    assert record["calls_per_second"] == 1.0
    assert record["percentiles"]["50"] == pytest.approx(300, rel=0.04)
    assert sum(row["calls"] for row in record["histogram"]) == 2
    assert record["own_cost"]["inside"]["estimate"] == 80.0
