"""What rounds of off, on, on, off say, and how it is shown."""

from __future__ import annotations

import io
from dataclasses import replace

import jsonschema
import pytest
from impact_rounds import LIFE, record, rounds
from rich.console import Console

from ebpf_overhead.report.metrics import of_impact
from ebpf_overhead.report.terminal import print_tables
from ebpf_overhead.tools.impact import text
from ebpf_overhead.tools.impact.answer import impact
from ebpf_overhead.tools.records import schema


def shown(found: dict) -> str:
    console = Console(file=io.StringIO(), width=80, force_terminal=False)
    print_tables(text.tables(found), text.notes(found), console)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(len(line) <= 80 for line in printed.splitlines())
    return " ".join(printed.split())


def test_steady_drift_is_no_part_of_it():
    found = impact(rounds(lambda at_s: 1_000 + 3 * at_s, lambda number: 100), "openat_close")
    assert found.difference.estimate == pytest.approx(100)
    assert found.difference.half_width == pytest.approx(0)
    assert found.again.estimate == pytest.approx(18)
    assert found.drifted


def test_interval_is_that_of_the_rounds():
    found = impact(rounds(lambda at_s: 1_000, lambda number: 100 + number % 3), "openat_close")
    assert found.difference.low <= 101 <= found.difference.high
    assert found.difference.half_width == pytest.approx(0.5, abs=0.5)
    assert found.share.estimate == pytest.approx(found.difference.estimate / 1_000)
    assert (found.without, found.with_tool) == (1_000, pytest.approx(1_101))
    assert (found.again.estimate, found.drifted) == (0, False)


def test_record_is_valid_and_shown():
    found = record(rounds(lambda at_s: 2_000, lambda number: 500), 0.3, unsupported="exec")
    jsonschema.validate(found, schema("impact"))
    assert of_impact(found).count("ebpf_overhead_impact_ratio{") == 1
    assert found["cases"][0]["samples"] == [[2_000, 2_500, 2_500, 2_000]] * 12
    said = shown(found)
    assert "What tool.bt 'an argument' costs, per call" in said
    assert "openat_close 2,000 ns 2,500 +500 ± 0.00 +25.0 %" in said
    assert "openat_close p7 tracepoint:sys_enter_openat 1 400" in said
    assert "exec: it cannot be called; ask for it" in said
    assert "the tool itself: 1.20 % of a core while the workloads ran; 98.0 MiB resident" in said
    assert "1 BPF program, ready 0.61 s after the start, gone 0.20 s after the end" in said
    assert "within the budget of 30 %: openat_close" in said


@pytest.mark.parametrize(("budget", "verdict"), [(0.4, "yes"), (0.25, "unsure"), (0.1, "no")])
def test_budget_is_judged_by_the_interval(budget, verdict):
    found = record(rounds(lambda at_s: 1_000, lambda number: 240 + 20 * (number % 2)), budget)
    assert found["cases"][0]["budget"] == {"share": budget, "verdict": verdict}


def test_doubts_are_said():
    life = replace(LIFE, programs=0, ended=True, changed=True, missed=3)
    said = shown(record(rounds(lambda at_s: 1_000 + 2 * at_s, lambda number: -number, life=life)))
    assert "it loaded no BPF program" in said
    assert "it ended by itself in 12 of 12 rounds" in said
    assert "its BPF programs changed while workloads ran, in 12 of 12 rounds" in said
    assert "skipped 36 runs" in said
    assert "not the same after the tool as before (A/A): openat_close" in said
    assert "the machine changed: 1 of 1 workloads took another time" in said


def test_nothing_beyond_chance_is_said():
    said = shown(record(rounds(lambda at_s: 1_000, lambda number: (-1) ** number)))
    assert "no difference beyond chance: openat_close" in said
