"""Run statistics: each case without and with them, and what the difference is shown as."""

from __future__ import annotations

import pytest
from records import MEASURED, record, unmeasured

from ebpf_overhead.hooks.cases import select
from ebpf_overhead.studies import registry
from ebpf_overhead.studies.bpf_stats.study import cases


def row(attach: str, estimate: float, half_width: float = 0.0, **conditions) -> dict:
    bounds = {"low": estimate - half_width, "high": estimate + half_width}
    overhead = {"estimate": estimate, **bounds, "confidence": 0.99}
    return {**MEASURED, "attach": attach, "overhead": overhead, **conditions}


@pytest.fixture
def given() -> dict:
    on = {"statistics": True}
    rows = [
        row("tp_btf", 136.0, 2.0),
        row("tp_btf", 207.0, 3.0, **on, run_time_reported=48.2),
        row("kprobe", 360.0),
        {**unmeasured("kprobe", "failed", "it never ran"), **on},
    ]
    return {**record(), "study": "bpf-stats", "cases": rows}


def test_every_case_is_measured_without_and_with():
    chosen = select(["tp_btf", "kprobe"], ["empty"])
    found = cases(chosen)
    assert [(each.attach.name, each.statistics) for each in found] == [
        ("tp_btf", False),
        ("tp_btf", True),
        ("kprobe", False),
        ("kprobe", True),
    ]
    assert len({each.name for each in found}) == 4


def test_row_per_attach_type_with_the_difference(given):
    (table,) = registry.tables(given)
    assert table.title == "simple on getpid, run statistics off and on (ns/op)"
    assert table.rows == [
        ("tp_btf *", "+136 ± 2", "+207 ± 3", "+71 ± 5", "48.2"),
        ("kprobe", "+360", "n/a", "n/a", "n/a"),
    ]


def test_notes_say_why_but_not_what_is_in_the_table(given):
    notes = registry.notes(given)
    assert "kprobe: failed: it never ran" in notes
    assert not any("reports" in note for note in notes)


def test_markdown(given):
    assert "| tp_btf \\* | +136 ± 2 | +207 ± 3 | +71 ± 5 | 48.2 |" in registry.to_markdown(given)
