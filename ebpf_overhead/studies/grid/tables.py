"""The reference benchmark's three tables, as rows of text: one per program and workload."""

from __future__ import annotations

from dataclasses import replace
from math import hypot
from typing import Any, NamedTuple

from ebpf_overhead.hooks.attach_types import ATTACH_TYPES, REFERENCE
from ebpf_overhead.machine.bpf import MANY_KPROBES
from ebpf_overhead.measure.stats import median
from ebpf_overhead.measure.undisturbed import Scatter
from ebpf_overhead.programs.catalogue import PROGRAMS
from ebpf_overhead.report.noise_lines import noise_lines
from ebpf_overhead.report.record import Record, why_not
from ebpf_overhead.report.table import UNIT_HEADINGS, Table, case_label, in_vain, occupied
from ebpf_overhead.studies.grid.across import across
from ebpf_overhead.studies.grid.ranking import Differences, ranking
from ebpf_overhead.studies.grid.static import static_tables
from ebpf_overhead.studies.grid.versions import versions
from ebpf_overhead.workload.workloads import GETPID

# Undisturbed, the same call takes the same within a few percent; a call of a function, which is
# 1 ns, within a part of one.
_DISTURBED, _DISTURBED_NS = 1.1, 2.0
# How much longer the undisturbed call took than in the quietest rounds; else that is not said.
_RESTLESS, _RESTLESS_NS = 1.05, 2.0


def tables(record: Record) -> list[Table]:
    """Return the tables of a record, in catalogue order."""
    cases = [case for case in record["cases"] if "bystander" not in case]
    programs = [name for name in PROGRAMS if any(c["program"] == name for c in cases)]
    programs += dict.fromkeys(name for name in map(_file, cases) if name not in PROGRAMS)
    differences = Differences(record)
    found = []
    for program in programs:
        by_target: dict[str, list[dict[str, Any]]] = {}
        for case in cases:
            if _file(case) == program:
                by_target.setdefault(case["target"], []).append(case)
        label = "one probe already" if second(record) else "no probe"
        for target, rows in by_target.items():
            table = _table(program, target, rows, label)
            several = "kernel" in rows[0]
            table = across(table, rows, record, _label) if several else table
            found.append(replace(table, below=_below(rows, differences)))
    own = [case for case in cases if case["program"] not in PROGRAMS]
    measured = [case for case in own if "overhead" in case]
    return found + versions(measured, differences, _file, _plain_label) + static_tables(own)


def _below(cases: list[dict[str, Any]], differences: Differences) -> tuple[str, ...]:
    """Return the ranking of the cases of a table, for each kernel."""
    kernels: dict[str | None, list[dict[str, Any]]] = {}
    for case in cases:
        kernels.setdefault(case.get("kernel"), []).append(case)
    return tuple(
        f"{kernel}: {line}" if kernel else line
        for kernel, of_kernel in kernels.items()
        for line in ranking(of_kernel, differences, _plain_label)
    )


def _plain_label(case: dict[str, Any]) -> str:
    return _label(case).removesuffix(" *")


def _file(case: dict[str, Any]) -> str:
    """Return what a table is of: a program, or an object file with all of its programs."""
    return str(case.get("object", case["program"]))


def second(record: Record) -> bool:
    """Whether overheads are those of a second program (``measure --beside``)."""
    found = [case.get("beside", {"together": True}) for case in record["cases"]]
    return bool(found) and not any(each["together"] for each in found)


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
    found = [per_call(case, "baseline") for case in cases if "baseline" in case]
    return (label, f"{median(found):.1f}" if found else "n/a", "", "", "")


def per_call(case: dict[str, Any], which: str) -> float:
    """Return what a call takes: undisturbed, or the median where nothing else is known."""
    value: float = case["undisturbed"][which] if "undisturbed" in case else case[which]["median"]
    return value


def _row(case: dict[str, Any]) -> tuple[str, ...]:
    label = _label(case) + occupied([case])
    if case["status"] != "measured":
        return (label, "n/a", "", case["status"], "")
    overhead, percent = case["overhead"], case["overhead_percent"]
    return (
        label,
        f"{per_call(case, 'probed'):.1f}",
        f"{overhead['estimate']:+.1f}{' ~' if case.get('stopped_by') == 'time' else ''}",
        # asv keeps none of a count that repeats.
        f"{overhead['low']:+.1f} … {overhead['high']:+.1f}" if "low" in overhead else "",
        f"{percent['estimate']:+.0f} %",
    )


def _label(case: dict[str, Any]) -> str:
    """Return the attach type of a row, with the program where an object has several."""
    attach = case_label(case["attach"])
    if "object" not in case:
        return attach
    if "beside" in case:
        return f"{1 + sum(case['beside']['programs'].values())} programs together"
    return f"{case['program'].removeprefix(case['object'] + ':')}, {attach}"


def notes(record: Record) -> list[str]:
    """Return why rows of a record were not measured or ended early, one line per reason."""
    cases = record["cases"]
    reasons: dict[str, list[str]] = {}
    for case in cases:
        if case["status"] != "measured":
            where = "" if case["target"] == GETPID.name else f" on {case['target']}"
            if second_ones := case.get("beside", {}).get("programs"):
                where += f" beside {' and '.join(f'{n} {name}' for name, n in second_ones.items())}"
            where += f" on {case['kernel']}" if "kernel" in case else ""
            reasons.setdefault(why_not(case), []).append(case["attach"] + where)
    lines = [f"{', '.join(dict.fromkeys(names))}: {text}" for text, names in reasons.items()]
    if second(record):
        lines.append("the same program was attached already: this is what a second one costs")
    for case in cases:
        if "run_time_reported" in case:
            reported, unit = case["run_time_reported"], case["unit"]
            name = f"{case['attach']}/{case['program']}"
            lines.append(
                f"bpf_stats on: the kernel reports {reported:.1f} {unit} per run of {name}"
            )
    lines += in_vain(cases)
    lines += _occupied(cases)
    lines += _among_kprobes(record)
    lines += _disturbed(cases)
    lines += noise_lines(record)
    if any(case.get("stopped_by") == "time" for case in cases):
        lines.append(f"~ not as precise as asked when the time was over: {_what_helps(record)}")
    lines += [_skipped(case) for case in cases if case.get("missed")]
    if any("apart" in case for case in cases):
        lines.append(
            "the calls and their overheads were measured at different times: they do not add up"
        )
    if any("statistics" in case for case in cases):
        lines.append(
            "the kernel's run statistics were on while this was measured (kernel.bpf_stats_enabled,"
            " --bpf-stats or a monitor): the overheads have their cost in them"
        )
    if any("counted_by" in case for case in cases):
        lines.append(
            "without CAP_SYS_ADMIN the kernel counts no runs for this process: a copy of each"
            " program counted its own, before and after; programs of others cannot be seen"
        )
    for attach in (ATTACH_TYPES[name] for name in REFERENCE):
        if attach.called_otherwise and any(case["attach"] == attach.name for case in cases):
            (point,) = attach.points(GETPID)
            lines.append(
                f"* {attach.name}/{point} is what the reference benchmark calls {attach.reference}"
            )
    return lines


def _what_helps(record: Record) -> str:
    """Return what makes intervals narrower, and what does not."""
    scatter = record.get("options", {}).get("scatter")
    if "processes" in record:
        return "more --processes give more"
    if not scatter:
        return "--time gives more"
    unrest = max(case.get("undisturbed", {}).get("unrest", 0.0) for case in record["cases"])
    share = 100 * hypot(Scatter(**scatter).margin(1.0), unrest)
    return f"--time gives more, up to the {share:.1f} % of a call by which runs lie apart here"


def _skipped(case: dict[str, Any]) -> str:
    """Say how many runs the kernel left out, and why it does."""
    runs = case["windows"] * case["calls_per_window"] * case["runs_per_call"]
    return (
        f"{case['attach']}/{case['program']}: the kernel skipped {case['missed']:,} of about"
        f" {runs:,} runs, because the program ran on that CPU already (in a nested probe, or in a"
        " task that was preempted in it)"
    )


class _Unprobed(NamedTuple):
    """How long an unprobed call took, in ns: at the quietest, in quiet moments, in the middle."""

    quietest: float
    quiet: float
    middle: float

    @property
    def restless(self) -> bool:
        """Whether quiet moments were not quiet enough to be sure."""
        return self.quiet > max(_RESTLESS * self.quietest, self.quietest + _RESTLESS_NS)

    @property
    def disturbed(self) -> bool:
        """Whether the middle of a row tells of other work."""
        return self.middle > max(_DISTURBED * self.quiet, self.quiet + _DISTURBED_NS)


def _disturbed(cases: list[dict[str, Any]]) -> list[str]:
    """Return how much longer calls took than undisturbed ones, a line per workload."""
    longer: dict[str, _Unprobed] = {}
    for case in cases:
        # With programs that stay attached beside the probe the call is not an unprobed one.
        if "undisturbed" in case and case.get("beside", {}).get("together", True):
            quiet = case["undisturbed"]["baseline"]
            quietest = quiet / (1 + case["undisturbed"].get("unrest", 0.0))
            call = _Unprobed(quietest, quiet, case["baseline"]["median"])
            if call.restless or call.disturbed:
                before = longer.get(case["target"], call)
                longer[case["target"]] = before._replace(middle=max(before.middle, call.middle))
    return [
        f"the machine was disturbed: an unprobed {target} took {call.quiet:.0f} ns in quiet"
        f" moments, and up to {call.middle:.0f} ns in the middle of a row; the table is of quiet"
        f" moments{_quieter(call)}"
        for target, call in longer.items()
    ]


def _quieter(call: _Unprobed) -> str:
    """Say that a run was not quiet enough to be sure, if it was not."""
    if not call.restless:
        return ""
    share = 100 * (call.quiet / call.quietest - 1)
    return (
        f"; it can be quieter ({call.quietest:.0f} ns, in this run or an earlier one), so that"
        f" intervals are wider by {share:.0f} % of a call"
    )


def _occupied(cases: list[dict[str, Any]]) -> list[str]:
    """Return who was on each workload already, or came or went, a line per workload."""
    return [
        f"† {target} was hooked by others already: {names}; the call without our probe pays for"
        " those that are enabled, too"
        for target, names in _hooks(cases, "occupants")
    ] + [
        f"{target}: hooks of others came or went while it was measured: {names}; measure again"
        for target, names in _hooks(cases, "changed")
    ]


def _among_kprobes(record: Record) -> list[str]:
    """Say that older kprobes cost more than ours, where there are many and one was measured."""
    there = record["machine"].get("bpf", {}).get("kprobes") or 0
    measured = {case["attach"] for case in record["cases"] if case["status"] == "measured"}
    names = [name for name, each in ATTACH_TYPES.items() if each.among_kprobes]
    if there < MANY_KPROBES or measured.isdisjoint(names):
        return []
    return [
        f"{there:,} kprobes of others were registered: the kernel keeps them in 64 lists and"
        " searches one at each hit, the newest first; those that are older than the others cost"
        " more than ours"
    ]


def _hooks(cases: list[dict[str, Any]], which: str) -> list[tuple[str, str]]:
    """Return the hooks of others on each workload."""
    found: dict[str, list[str]] = {}
    for case in cases:
        for each in case.get(which, ()):
            found.setdefault(case["target"], []).append(f"{each['kind']} {each['name']}")
    return [(target, ", ".join(dict.fromkeys(names))) for target, names in found.items()]
