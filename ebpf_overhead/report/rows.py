"""The reference benchmark's three tables, as rows of text: one a program and target."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ebpf_overhead.cases import ATTACH_TYPES, GETPID, PROGRAMS
from ebpf_overhead.disturbance import slower
from ebpf_overhead.report.record import Record, why_not
from ebpf_overhead.stats import quartiles

UNIT_HEADINGS = {"ns": "ns/op", "instructions": "instr/op"}


@dataclass(frozen=True)
class Table:
    """The table of one program on one target.

    Attributes
    ----------
    title : str
        Program and what it does; the target, unless it is getpid.
    headings : tuple of str
        Column headings.
    rows : list of tuple of str
        The unprobed call first, then one row an attach type; empty cells where it could
        not be measured.
    """

    title: str
    headings: tuple[str, ...]
    rows: list[tuple[str, ...]]


def tables(record: Record) -> list[Table]:
    """Return the tables of a record, in catalogue order."""
    programs = [name for name in PROGRAMS if any(c["program"] == name for c in record["cases"])]
    programs += sorted({c["program"] for c in record["cases"]} - PROGRAMS.keys())
    found = []
    for program in programs:
        by_target: dict[str, list[dict[str, Any]]] = {}
        for case in record["cases"]:
            if case["program"] == program:
                by_target.setdefault(case["target"], []).append(case)
        label = "one probe already" if second(record) else "no probe"
        found += [_table(program, target, cases, label) for target, cases in by_target.items()]
    return found


def case_label(attach: str) -> str:
    """Return an attach type's name for people; marks what the reference calls tracepoint."""
    return f"{attach} *" if attach == "tp_btf" else attach


def occupied(cases: Iterable[dict[str, Any]]) -> str:
    """Return the mark of rows whose target had hooks of others, empty for the rest."""
    return " †" if any("occupants" in case for case in cases) else ""


def second(record: Record) -> bool:
    """Whether overheads are those of a second program (``measure --beside``)."""
    return bool(record.get("options", {}).get("beside"))


def _table(program: str, target: str, cases: list[dict[str, Any]], baseline: str) -> Table:
    unit = UNIT_HEADINGS[cases[0]["unit"]]
    confidence = next((c["overhead"]["confidence"] for c in cases if "overhead" in c), 0.99)
    headings = (
        "Case",
        unit,
        f"Overhead {unit}",
        f"{confidence:.0%} interval",
        "Overhead percent",
    )
    summary = PROGRAMS[program].summary if program in PROGRAMS else "your own program"
    rows = [_baseline_row(cases, baseline), *map(_row, cases)]
    where = "" if target == GETPID.name else f" ({target})"
    return Table(f"{program}{where}: {summary}", headings, rows)


def _baseline_row(cases: list[dict[str, Any]], label: str) -> tuple[str, ...]:
    medians = [case["baseline"]["median"] for case in cases if "baseline" in case]
    median = f"{quartiles(medians).median:.1f}" if medians else "n/a"
    return (label, median, "", "", "")


def _row(case: dict[str, Any]) -> tuple[str, ...]:
    label = case_label(case["attach"]) + occupied([case])
    if case["status"] != "measured":
        return (label, "n/a", "", case["status"], "")
    overhead, percent = case["overhead"], case["overhead_percent"]
    return (
        label,
        f"{case['probed']['median']:.1f}",
        f"{overhead['estimate']:+.1f}",
        # asv keeps none of a count that repeats.
        f"{overhead['low']:+.1f} … {overhead['high']:+.1f}" if "low" in overhead else "",
        f"{percent['estimate']:+.0f} %",
    )


def notes(record: Record) -> list[str]:
    """Return why rows of a record were not measured or ended early, a line each reason."""
    cases = record["cases"]
    reasons: dict[str, list[str]] = {}
    for case in cases:
        if case["status"] != "measured":
            where = "" if case["target"] == GETPID.name else f" on {case['target']}"
            if second_ones := case.get("beside", {}).get("programs"):
                where += f" beside {' and '.join(f'{n} {name}' for name, n in second_ones.items())}"
            reasons.setdefault(why_not(case), []).append(case["attach"] + where)
    lines = [f"{', '.join(dict.fromkeys(names))}: {text}" for text, names in reasons.items()]
    if second(record):
        lines.append("the same program was attached already: this is what a second one costs")
    for case in cases:
        if "run_time_reported" in case:
            reported, unit = case["run_time_reported"], case["unit"]
            name = f"{case['attach']}/{case['program']}"
            lines.append(f"bpf_stats on: the kernel reports {reported:.1f} {unit} a run of {name}")
    lines += _occupied(cases)
    lines += _disturbed(cases)
    early = sum(1 for case in cases if case.get("stopped_by") == "time")
    if early:
        lines.append(
            f"{early} of {len(cases)} rows stopped by time before the precision asked:"
            " --time gives them more"
        )
    if any(case["attach"] == "tp_btf" for case in cases):
        hook = ATTACH_TYPES["tp_btf"].hook
        lines.append(f"* tp_btf/{hook} is what the reference benchmark calls tracepoint")
    return lines


def _disturbed(cases: list[dict[str, Any]]) -> list[str]:
    """Return which rows were measured while the machine was slower, a line a target."""
    baselines: dict[str, dict[str, float]] = {}
    for case in cases:
        # A baseline that others share in, or that nothing disturbs, is another one.
        alone = not {"bystander", "beside"} & case.keys()
        if alone and "baseline" in case and case["unit"] == "ns":
            name = f"{case['attach']}/{case['program']}"
            baselines.setdefault(case["target"], {})[name] = case["baseline"]["median"]
    lines = []
    for target, found in baselines.items():
        slow = [f"{name} {found[name]:.0f}" for name in slower(found)]
        if slow:
            lines.append(
                f"the machine was disturbed: {target} took {min(found.values()):.0f} ns unprobed"
                f" at best, and while these were measured: {', '.join(slow)}; measure them again"
            )
    if again := [f"{case['attach']}/{case['program']}" for case in cases if "repeated" in case]:
        lines.append(f"measured twice, as the machine was disturbed at first: {', '.join(again)}")
    return lines


def _occupied(cases: list[dict[str, Any]]) -> list[str]:
    """Return who was on each target already, a line a target."""
    found: dict[str, list[str]] = {}
    for case in cases:
        for each in case.get("occupants", ()):
            found.setdefault(case["target"], []).append(f"{each['kind']} {each['name']}")
    return [
        f"† {target} was hooked by others already, which the call without our probe pays, too:"
        f" {', '.join(dict.fromkeys(names))}"
        for target, names in found.items()
    ]
