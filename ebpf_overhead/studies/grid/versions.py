"""What two files of the user's own cost beside each other: old and new version of a program."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ebpf_overhead.report.table import UNIT_HEADINGS, Table
from ebpf_overhead.studies.grid.ranking import SAME, Case, Differences, is_exact
from ebpf_overhead.workload.workloads import GETPID


def versions(
    cases: Sequence[Case],
    differences: Differences,
    file_of: Callable[[Case], str],
    label: Callable[[Case], str],
) -> list[Table]:
    """Return a table for each file but the first: how much more it costs than the first.

    Parameters
    ----------
    cases : sequence of dict
        Rows of programs of the user's own.
    differences : Differences
        Of the record that they are of.
    file_of, label : callable
        Name the file of a case, and what it is in it.
    """
    by_file: dict[str, list[Case]] = {}
    for case in cases:
        by_file.setdefault(file_of(case), []).append(case)
    if not by_file:
        return []
    first, *others = by_file
    made = (
        _table(first, other, _pairs(by_file[first], by_file[other], label), differences)
        for other in others
    )
    return [table for table in made if table.rows]


def _pairs(
    before: list[Case], after: list[Case], label: Callable[[Case], str]
) -> Iterator[tuple[str, Case, Case]]:
    """Yield the rows that both files have, with their names.

    What stands alone in both, at one workload of one kernel, is the same.
    """
    for where in dict.fromkeys(map(_where, after)):
        old, new = ([case for case in each if _where(case) == where] for each in (before, after))
        if len(old) == len(new) == 1:
            names = dict.fromkeys((label(old[0]), label(new[0])))
            yield f"{' → '.join(names)}{where}", old[0], new[0]
            continue
        known = {label(case): case for case in old}
        for case in new:
            if label(case) in known:
                yield f"{label(case)}{where}", known[label(case)], case


def _where(case: Case) -> str:
    target = "" if case["target"] == GETPID.name else f", {case['target']}"
    return target + (f", {case['kernel']}" if "kernel" in case else "")


def _table(
    first: str, other: str, pairs: Iterator[tuple[str, Case, Case]], differences: Differences
) -> Table:
    rows, same, unit, confidence = [], [], "ns", 0.99
    for name, before, after in pairs:
        more = differences.of(after, before)
        if more is not None:
            overheads = (f"{each['overhead']['estimate']:+.1f}" for each in (before, after))
            bounds = f"{more.low:+.1f} … {more.high:+.1f}"
            rows.append((name, *overheads, f"{more.estimate:+.1f}", bounds))
            unit, confidence = after["unit"], more.confidence
            same += [] if more.excludes_zero or is_exact(more) else [name]
    title = f"{other} instead of {first}: overhead, {UNIT_HEADINGS[unit]}"
    headings = ("Case", first, other, "Difference", f"{confidence:.0%} interval")
    below = (f"{', '.join(same)}: the two {SAME}",) if same else ()
    return Table(title, headings, rows, below=below)
