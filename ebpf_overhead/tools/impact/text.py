"""The tables and notes of ``impact``, from its record."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.printable import printable
from ebpf_overhead.report.formats import to_markdown
from ebpf_overhead.report.noise_lines import noise_lines
from ebpf_overhead.report.record import Record
from ebpf_overhead.report.table import Table

_HEADINGS = ("Workload", "without", "with", "adds", "share", "A/A")
_RUNS = ("Workload", "Program", "Hook", "runs/call")
_UNITS = {"ns": "ns", "instructions": "instr"}
# Programs that run in a workload, at most, in the table.
_ROWS_MAX = 4
_VERDICTS = {"yes": "within", "no": "over", "unsure": "perhaps over"}


def tables(record: Record) -> list[Table]:
    """Return what the tool costs each workload, and which of its programs ran how often."""
    rows = [_row(case, record["unit"]) for case in record["cases"]]
    found = [
        Table(
            f"What {printable(shlex.join(record['tool']['start']))} costs, per call",
            _HEADINGS,
            rows,
        )
    ]
    if record.get("sums"):
        found.append(_sums(record))
    ran = list(_runs(record))
    if ran:
        headings = (*_RUNS, f"{_UNITS[record['unit']]}/run")
        found.append(Table("Which of its BPF programs ran", headings, ran, words=(0, 1, 2)))
    return found


def _sums(record: Record) -> Table:
    """Return what several tools cost alone and together."""
    names = _short_names(tool["start"] for tool in record["alone"])
    headings = ("Workload", *names, "sum", "together", "more than the sum")
    rows = []
    for case in record["sums"]:
        factor, unit = _scale(record["unit"], case["together"]["estimate"])
        values = [*case["alone"], case["sum"], case["together"]]
        adds = [_signed(Interval(**each).estimate * factor) for each in values]
        beyond = _with_width(Interval(**case["beyond"]), factor)
        rows.append((case["workload"], *adds, f"{beyond} {unit}"))
    return Table("Alone and together: what is added per call", headings, rows)


def _short_names(commands: Iterable[Sequence[str]]) -> list[str]:
    """Return the names of tools, without folders and arguments; numbers where they are the same."""
    names = [printable(words[0].rpartition("/")[2]) for words in commands]
    if len(set(names)) == len(names):
        return names
    return [f"{number} {name}" for number, name in enumerate(names, 1)]


def _scale(unit: str, value: float) -> tuple[float, str]:
    """Return what a value is multiplied with to be shown, and the unit that it then has."""
    if unit == "ns" and abs(value) >= 10_000:
        return 1e-3, "µs"
    return 1.0, _UNITS[unit]


def _row(case: dict[str, Any], unit: str) -> tuple[str, ...]:
    name = case["workload"]
    if case["status"] != "measured":
        return (name, "n/a", *[""] * (len(_HEADINGS) - 2))
    factor, unit = _scale(unit, case["without"])
    adds, again = (Interval(**case[each]) for each in ("difference", "again"))
    return (
        name,
        f"{_number(case['without'] * factor)} {unit}",
        _number(case["with_tool"] * factor),
        _with_width(adds, factor),
        f"{100 * case['share']['estimate']:+.1f} %",
        _with_width(again, factor),
    )


def _with_width(value: Interval, factor: float) -> str:
    return f"{_signed(value.estimate * factor)} ± {_number(value.half_width * factor)}"


def _signed(value: float) -> str:
    text = _number(value)
    return text if text.startswith("-") else f"+{text}"


def _number(value: float) -> str:
    size = abs(value)
    return f"{value:,.{0 if size >= 100 else 1 if size >= 10 else 2}f}"


def _runs(record: Record) -> Iterator[tuple[str, ...]]:
    for case in record["cases"]:
        found = [
            (Interval(**ran["per_call"]), ran["time_ns"] or 0.0, program)
            for program in record["programs"]
            for ran in program["runs"]
            if ran["workload"] == case["workload"]
        ]
        found.sort(key=lambda each: -each[0].estimate * each[1])
        for number, (per_call, time_ns, program) in enumerate(found[:_ROWS_MAX]):
            more = len(found) - _ROWS_MAX if number == _ROWS_MAX - 1 else 0
            name = f"{program['name']} and {more} more" if more > 0 else program["name"]
            times = f"{per_call.estimate:.3g}"
            if per_call.half_width >= 0.05 * per_call.estimate:
                times += f" ± {per_call.half_width:.2g}"
            yield (case["workload"], name, _hook(program), times, f"{time_ns:,.0f}")


def _hook(program: dict[str, Any]) -> str:
    hooks = program["hooks"]
    if not hooks:
        return f"({program['type']})"
    target = hooks[0]["target"].rpartition("/")[2]
    first = f"{hooks[0]['attach']}:{target}" if target else hooks[0]["attach"]
    return f"{first} and {len(hooks) - 1} more" if len(hooks) > 1 else first


def notes(record: Record) -> list[str]:
    """Return what there is to say below, one line each."""
    cases = [case for case in record["cases"] if case["status"] == "measured"]
    return [
        *_tool(record),
        *_verdicts(cases),
        *_of_sums(record.get("sums") or ()),
        *_doubts(record, cases),
        *noise_lines({**record, "cases": []}),
        *(f"{c['workload']}: {c['reason']}" for c in record["cases"] if "reason" in c),
        f"{record['rounds']} rounds of off, on, on, off, {record['segment_s']:g} s each; ± is half"
        " of the 99 % interval; A/A is the second off minus the first",
    ]


def _tool(record: Record) -> Iterator[str]:
    tool = record["tool"]
    maps = sum(program["map_bytes"] for program in record["programs"])
    held = f", and its maps {_mebibytes(maps)}" if record["programs"] else ""
    of = "the commands that start and stop it" if tool["stop"] else "from start to end it"
    yield (
        f"the tool itself: {100 * tool['core_share']:.2f} % of a core while the workloads ran;"
        f" {_mebibytes(tool['resident_bytes'])} resident{held}; {of} took"
        f" {tool['cpu_s']:.2f} s of CPU time"
    )
    if tool["programs"]:
        idle = sum(not program["runs"] for program in record["programs"])
        none = f"; no workload is seen to run {idle} of them" if idle else ""
        plural = "s" * (tool["programs"] > 1)
        yield (
            f"{tool['programs']} BPF program{plural}, ready {tool['ready_s']:.2f} s after the"
            f" start, gone {tool['gone_s']:.2f} s after the end{none}"
        )
    else:
        yield "it loaded no BPF program"
    if tool["missed"]:
        yield f"the kernel skipped {tool['missed']:,} runs of its programs, as they ran already"
    if record["not_counted"]:
        yield f"runs of its programs could not be counted: {record['not_counted']}"


def _verdicts(cases: list[dict[str, Any]]) -> Iterator[str]:
    unseen = [case["workload"] for case in cases if _contains_zero(case["difference"])]
    if unseen:
        yield f"no difference beyond chance: {', '.join(unseen)}"
    for verdict, text in _VERDICTS.items():
        judged = [c for c in cases if "budget" in c and c["budget"]["verdict"] == verdict]
        if judged:
            limit = f"{100 * judged[0]['budget']['share']:g} %"
            yield f"{text} the budget of {limit}: {', '.join(c['workload'] for c in judged)}"


def _of_sums(sums: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Say where the tools cost together what they cost alone, in sum."""
    equal = [each["workload"] for each in sums if _contains_zero(each["beyond"])]
    more = [each["workload"] for each in sums if each["beyond"]["low"] > 0]
    less = [each["workload"] for each in sums if each["beyond"]["high"] < 0]
    for names, what in ((equal, "as much as"), (more, "more than"), (less, "less than")):
        if names:
            chance = ", but for chance" if names is equal else ""
            yield f"together they cost {what} the sum{chance}: {', '.join(names)}"


def _contains_zero(interval: dict[str, float]) -> bool:
    return interval["low"] <= 0 <= interval["high"]


def _doubts(record: Record, cases: list[dict[str, Any]]) -> Iterator[str]:
    tool = record["tool"]
    if record["machine"].get("bpf", {}).get("stats_enabled"):
        yield (
            "the kernel's run statistics were on all the time (kernel.bpf_stats_enabled): each run"
            " of a program costs more than usual"
        )
    if tool["ended"]:
        yield f"it ended by itself in {tool['ended']} of {record['rounds']} rounds"
    if tool["changed"]:
        yield (
            f"its BPF programs changed while workloads ran, in {tool['changed']} of"
            f" {record['rounds']} rounds: give it more time, or --ready"
        )
    remains = [case["workload"] for case in cases if not _contains_zero(case["again"])]
    if remains:
        yield (
            f"not the same after the tool as before (A/A): {', '.join(remains)}; something of it"
            " remains, or the machine changes"
        )
    drifted = [case for case in cases if case["drifted"]]
    if drifted:
        most = max(drifted, key=lambda case: abs(case["drift"]))
        yield (
            f"the machine changed: {len(drifted)} of {len(cases)} workloads took another time"
            f" without the tool in the last rounds than in the first, {most['workload']}"
            f" {100 * most['drift']:+.0f} %"
        )


def _mebibytes(count: int) -> str:
    return f"{count / (1 << 20):.1f} MiB"


def markdown(record: Record) -> str:
    """Return the tables and notes in Markdown."""
    return to_markdown(tables(record), notes(record))
