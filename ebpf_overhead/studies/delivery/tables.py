"""What handing records over costs, as rows of text: a table per way, readers by rates."""

from __future__ import annotations

from typing import Any

from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.report.record import Record, unmeasured, why_not
from ebpf_overhead.report.table import Table
from ebpf_overhead.studies.delivery.cells import BUFFERS, READERS

# A reader that never sleeps takes a whole CPU, whatever there is to read.
_WHOLE_CPU = "a CPU"


def tables(record: Record) -> list[Table]:
    """Return a table per way to hand records over."""
    cases = record["cases"]
    rates = list(dict.fromkeys(case["rate"] for case in cases))
    names = [name for name in BUFFERS if any(case["buffer"] == name for case in cases)]
    return [
        _table(name, [case for case in cases if case["buffer"] == name], rates) for name in names
    ]


def _table(buffer: str, cases: list[dict[str, Any]], rates: list[int]) -> Table:
    found = {(case["reader"], case["rate"]): case for case in cases}
    rows = [
        (reader, *(_cell(found.get((reader, rate))) for rate in rates))
        for reader in READERS
        if any(case["reader"] == reader for case in cases)
    ]
    headings = ("Reader", *(f"{rate:,}/s" if rate else "flat out" for rate in rates))
    return Table(f"{buffer}: {BUFFERS[buffer].summary}", headings, rows)


def _cell(case: dict[str, Any] | None) -> str:
    """Return ``+1240 / 2100``, ns of the caller and the reader; with the share that was lost."""
    if case is None:
        return ""
    if case["status"] != "measured":
        return str(case["status"])
    caller = Interval(**case["caller"])
    text = f"{caller.estimate:+,.0f} ± {caller.half_width:,.0f}"
    if case["reader_ns"] is not None:
        busy = READERS[case["reader"]].waits == "never"
        text += f" / {_WHOLE_CPU if busy else format(case['reader_ns'], ',.0f')}"
    lost = case["lost"] / max(case["lost"] + case["records"], 1)
    return f"{text} ({_share(lost)} lost)" if lost else text


def _share(lost: float) -> str:
    percent = 100 * lost
    return "<1 %" if percent < 1 else f"{percent:.0f} %"


def notes(record: Record) -> list[str]:
    """Return what the cells mean, the rates that were not reached, and why there is no number."""
    lines = ["cells: ns per record of the caller / of the reader, by its CPU time"]
    if any(case["status"] == "measured" and case["lost"] for case in record["cases"]):
        lines.append("lost: what found no room in the buffer; it costs the caller less")
    lines += [
        f"{case['buffer']}/{case['reader']}: {case['per_s']:,.0f} calls per second"
        f" instead of {case['rate']:,}"
        for case in record["cases"]
        if case["status"] == "measured" and case["rate"] and case["per_s"] < 0.9 * case["rate"]
    ]
    reasons: dict[str, list[str]] = {}
    for case in unmeasured(record):
        reasons.setdefault(why_not(case), []).append(f"{case['buffer']}/{case['reader']}")
    return lines + [f"{', '.join(dict.fromkeys(which))}: {why}" for why, which in reasons.items()]
