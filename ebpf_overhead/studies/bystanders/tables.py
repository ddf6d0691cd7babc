"""What bystanders pay, as rows of text: a row per attach type, a column per caller."""

from __future__ import annotations

from typing import Any

from ebpf_overhead.hooks.cases import PROGRAMS
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.report.record import Record, caller
from ebpf_overhead.report.table import UNIT_HEADINGS, Table, case_label, occupied, with_width

# What boots of one guest differ by, per call: less than this after detach is nothing.
_NOTHING_INSTRUCTIONS = 0.5


def tables(record: Record) -> list[Table]:
    """Return a table per program and workload, of those whose bystanders were measured."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for case in record["cases"]:
        groups.setdefault((case["program"], case["target"]), []).append(case)
    return [
        _table(program, target, cases)
        for (program, target), cases in groups.items()
        if any("bystander" in case for case in cases)
    ]


def after_detach(case: dict[str, Any]) -> Interval | None:
    """Return what was left of a row's probe when it was gone; None if that was not measured."""
    return Interval(**case["residue"]) if "residue" in case else None


def _table(program: str, target: str, cases: list[dict[str, Any]]) -> Table:
    unit = UNIT_HEADINGS[cases[0]["unit"]]
    callers = list(dict.fromkeys(map(caller, cases)))
    found = {(case["attach"], caller(case)): case for case in cases}
    rows = [("no probe", *(_baseline(cases, name) for name in callers), "")]
    for attach in dict.fromkeys(case["attach"] for case in cases):
        of_attach = [case for case in cases if case["attach"] == attach]
        cells = [_cell(found.get((attach, name))) for name in callers]
        left = [after_detach(case) for case in of_attach]
        rows.append((case_label(attach) + occupied(of_attach), *cells, _largest(left)))
    summary = PROGRAMS[program].summary if program in PROGRAMS else "your own program"
    title = f"{program} on {target}, what each caller pays ({unit}): {summary}"
    return Table(title, ("Case", *callers, "After detach"), rows)


def _baseline(cases: list[dict[str, Any]], name: str) -> str:
    medians = [c["baseline"]["median"] for c in cases if caller(c) == name and "baseline" in c]
    return f"{sorted(medians)[len(medians) // 2]:.1f}" if medians else "n/a"


def _cell(case: dict[str, Any] | None) -> str:
    if case is None or case["status"] != "measured":
        return "n/a"
    return with_width(Interval(**case["overhead"]))


def _largest(values: list[Interval | None]) -> str:
    known = [value for value in values if value is not None]
    return with_width(max(known, key=lambda each: abs(each.estimate))) if known else ""


def notes(record: Record) -> list[str]:
    """Return whether every call was back at its baseline.

    Counted in instructions each that was not has a line.  In time they share one: the machine's
    speed changes from second to second, and only what comes back in the next run says more.
    """
    found = [(case, left) for case in record["cases"] if (left := after_detach(case)) is not None]
    if not found:
        return []
    counted = found[0][0]["unit"] == "instructions"
    nothing = _NOTHING_INSTRUCTIONS if counted else 0.0
    other = [each for each in found if each[1].low > nothing or each[1].high < -nothing]
    if not other:
        return ["nothing remains after detach: every call takes what it took before"]
    if counted:
        return [f"after detach, {_left(*each)}" for each in other]
    largest = max(other, key=lambda each: abs(each[1].estimate))
    return [
        f"after detach: {len(other)} of {len(found)} calls differ from before, most of all"
        f" {_left(*largest)}; or the machine's speed changed (docs/bystanders.md)"
    ]


def _left(case: dict[str, Any], left: Interval) -> str:
    probe = f"{case['attach']}/{case['program']}"
    return f"{probe}: {caller(case)} takes {left.estimate:+.1f} {case['unit']} when it is gone"
