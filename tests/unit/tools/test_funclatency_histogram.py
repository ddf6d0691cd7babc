"""Slots, rows and percentiles of the latency histogram."""

from __future__ import annotations

import numpy as np
import pytest
from latency_words import cpu_words, latencies

from ebpf_overhead.tools.funclatency.histogram import (
    ROWS,
    SLOTS,
    LatencyCounts,
    Row,
    Scale,
    slot_bounds,
)


def test_slots_cover_every_number_once():
    expected = 0
    for slot in range(976):  # 64-bit numbers end there
        low, high = slot_bounds(slot)
        assert low == expected
        assert high >= low
        assert low < 16 or (high - low + 1) * 16 <= low
        expected = high + 1
    assert expected == 1 << 64


def test_rows_are_powers_of_two_as_in_bcc():
    rows = latencies([0, 1, 2, 3, 4, 7, 8, 15, 16, 300]).rows(Scale())
    assert rows[:5] == [Row(0, 1, 2), Row(2, 3, 2), Row(4, 7, 2), Row(8, 15, 2), Row(16, 31, 1)]
    assert rows[-1] == Row(256, 511, 1)
    assert sum(row.calls for row in rows) == 10


def test_rows_of_other_units_come_from_their_own_counters():
    seen = latencies([5_000], rows=[(2, 1)])
    assert seen.rows(Scale("usecs", 1_000)) == [Row(0, 1, 0), Row(2, 3, 0), Row(4, 7, 1)]


def test_linear_rows_with_an_open_last_row():
    seen = latencies([120], rows=[(1, 1)])
    assert seen.rows(Scale(linear_width=100)) == [Row(0, 99, 0), Row(100, 199, 1)]
    full = latencies([1 << 40], rows=[(ROWS - 1, 1)])
    assert full.rows(Scale(linear_width=100))[-1] == Row((ROWS - 1) * 100, None, 1)


def test_percentiles_are_within_half_a_slot():
    values = np.random.default_rng(1).integers(100, 100_000, 5_000)
    seen = latencies([int(value) for value in values])
    for share in (0.5, 0.9, 0.99):
        true = np.quantile(values, share, method="inverted_cdf")
        assert seen.percentile_ns(share) == pytest.approx(true, rel=1 / 31)
    assert seen.percentile_ns(1.0) <= values.max()


def test_average_and_calls_of_all_cpus():
    words = np.array([cpu_words([10, 20]), cpu_words([60], unmatched=2)])
    seen = LatencyCounts.of_cpus(words)
    assert (seen.calls, seen.average_ns, seen.counter("max_ns")) == (3, 30, 60)
    assert seen.counter("unmatched") == 2


def test_calls_in_flight_have_not_returned():
    assert latencies([5], entered=4, lost=1, overwritten=1).in_flight == 1
    assert latencies([5], entered=1).in_flight == 0


def test_difference_of_two_readings():
    before, after = latencies([10]), latencies([10, 30], max_ns=30)
    added = after.since(before)
    assert (added.calls, added.average_ns, added.counter("max_ns")) == (1, 30, 30)


def test_no_calls():
    seen = latencies()
    assert (seen.average_ns, seen.percentile_ns(0.5), seen.rows(Scale())) == (None, None, [])


def test_definitions():
    assert Scale().definitions() == []
    assert Scale("usecs", 1_000).definitions() == ["ROW_NS=1000ULL"]
    assert Scale("usecs", 1_000, 5).definitions() == ["LINEAR_WIDTH_NS=5000ULL"]
    assert SLOTS > 976
