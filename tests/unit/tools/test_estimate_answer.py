"""Rates times overheads: shares, alternatives, the budget, and the output."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace

import jsonschema
import pytest
from estimates import COST, REFUSED, estimate, rate
from rich.console import Console

from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.tools.estimate.alternatives import alternative
from ebpf_overhead.tools.estimate.answer import Alternative, Budget, Share, add, cheapest_first
from ebpf_overhead.tools.estimate.places import Place
from ebpf_overhead.tools.estimate.record import make_record
from ebpf_overhead.tools.estimate.text import print_estimate
from ebpf_overhead.tools.records import schema


def test_share_is_rate_times_overhead():
    share = Share.of(10_000, COST.overhead)
    assert share.estimate == pytest.approx(0.002)  # 10,000/s times 200 ns
    assert (share.low, share.high) == pytest.approx((0.0019, 0.0022))


def test_places_add_up_with_bystanders():
    answer = estimate(rate("a"), rate("b", 5_000), bystanders=Share(0.01, 0.01, 0.01))
    assert answer.mean == 15_000
    assert answer.share.estimate == pytest.approx(0.003)
    assert answer.total.estimate == pytest.approx(0.013)


def test_unknown_cost_makes_the_sum_unknown():
    assert add([Share(1, 1, 1), None]) is None
    assert estimate(rate(cost=REFUSED)).total is None


@pytest.mark.parametrize(
    ("limit", "verdict"), [(0.003, "yes"), (0.0022, "yes"), (0.002, "unsure"), (0.001, "no")]
)
def test_budget_is_judged_by_the_interval(limit, verdict):
    assert Budget.judge(limit, Share(0.002, 0.0019, 0.0022)).verdict == verdict


def test_alternatives_are_sorted_by_total_with_unknown_last():
    expensive = Alternative(COST, Share(0.001, 0.001, 0.001), Share(0.1, 0.1, 0.1))
    cheap = Alternative(COST, Share(0.002, 0.002, 0.002), None)
    unknown = Alternative(REFUSED, None, None)
    assert cheapest_first([unknown, expensive, cheap]) == [cheap, expensive, unknown]


def printed(answer, top=10) -> str:
    stream = io.StringIO()
    print_estimate(answer, "ns", Console(file=stream, width=100), top)
    return stream.getvalue()


def test_text():
    text = printed(estimate(budget=Budget(0.01, "yes")))
    assert "kprobe with simple on vfs_read" in text
    assert "10,000.0 events/s (busiest second 20,000) over 2.0 s" in text
    assert "+200.0 (+190.0 … +220.0) ns per kprobe, stored 2026-11-25" in text
    assert "0.2000 % (0.1900 … 0.2200 %)" in text
    assert "0.0500 % (0.0475 … 0.0550 %) of 4 CPUs" in text
    assert "yes: 0.2000 % (0.1900 … 0.2200 %) is within the budget of 1 % of one core" in text
    assert "unsupported" in text
    assert "cold" in text  # the limit of the prediction is part of the answer


def test_text_of_many_places_lists_the_busiest_and_sums_up_the_rest():
    answer = estimate(
        rate("a", 300), rate("b", 200), rate("c", 100), refused={Place("function", "d"): "no"}
    )
    text = printed(answer, top=1)
    assert "2 more" in text
    assert "300.0" in text
    assert "not counted: d: no" in text


def test_record():
    record = json.loads(json.dumps(make_record(estimate(), "ns", "6.12")))
    jsonschema.validate(record, schema("estimate"))
    assert record["events_per_second"] == 10_000
    assert record["core_share"]["estimate"] == pytest.approx(0.002)
    assert record["machine_share"]["estimate"] == pytest.approx(0.0005)
    assert record["places"][0]["name"] == "vfs_read"
    assert record["alternatives"][1]["status"] == "unsupported"


def test_places_with_different_instructions_have_a_line_each_and_an_average():
    stepped = replace(COST, overhead=Interval(9000.0, 8900.0, 9100.0, 0.99), instruction="stepped")
    pushed = replace(COST, instruction="push")
    rates = [rate("a", 300.0, stepped), rate("b", 100.0, pushed)]
    other = alternative(rates, [stepped, pushed])
    assert other.cost.overhead.estimate == pytest.approx((300 * 9000 + 100 * 200) / 400)
    assert other.share.estimate == pytest.approx((300 * 9000 + 100 * 200) * 1e-9)
    assert other.cost.instruction is None
    text = printed(estimate(*rates))
    assert "ns per kprobe on stepped, stored" in text
    assert "ns per kprobe on push, stored" in text


def test_alternative_without_a_price_at_one_place_has_none():
    assert alternative([rate("a"), rate("b")], [COST, REFUSED]).share is None


def test_calls_of_32_bit_programs_are_said_with_the_hooks_that_see_them():
    silent = replace(rate("openat", 0.0), compat_events=40_000)
    text = " ".join(printed(estimate(silent)).split())
    assert "20,000.0 calls/s more, by 32-bit programs: seen by" in text
    seen, _, unseen = text.partition("by 32-bit programs: seen by")[2].partition(", not by")
    assert {"raw_tracepoint", "tp_btf"} <= {*re.findall(r"\w+", seen)}
    assert {"tracepoint", "fentry", "kprobe"} <= {*re.findall(r"\w+", unseen.partition("overh")[0])}
    assert "32-bit" not in printed(estimate())
    assert make_record(estimate(silent), "ns", "6.12")["places"][0]["compat_events"] == 40_000


def test_notes_are_printed_and_recorded():
    noted = replace(estimate(), notes=["something is on"])
    assert "something is on" in printed(noted)
    assert make_record(noted, "ns", "6.12")["notes"] == ["something is on"]
