"""The cost of loaded programs for people: a table, the sums, and what is unknown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich import box
from rich.console import Group, JustifyMethod
from rich.table import Table
from rich.text import Text

from ebpf_overhead.printable import printable
from ebpf_overhead.tools.estimate.answer import Share
from ebpf_overhead.tools.top.usage import Picture, Usage, hook_name

# Below the first width, a terminal shows no tags; below the second, neither processes nor maps.
_TAG_COLUMNS, _PROCESS_COLUMNS = 150, 100
# Columns that may be cut on a narrow terminal, in this order, with their minimum width.
_CUT = {"Target": 8, "Process": 10, "Name": 6, "Attach type": 8}
_BETWEEN = 2  # columns of space that the table puts between two cells


@dataclass(frozen=True)
class Room:
    """The size of the output.

    Attributes
    ----------
    columns : int
        Width of the terminal.
    rows : int
        Number of programs to list.
    """

    columns: int
    rows: int


def render(seen: Picture, unit: str, room: Room) -> Group:
    """Return a picture as a renderable of rich."""
    parts: list[Text | Table] = [Text(_headline(seen), style="bold")]
    if seen.usages:
        parts.append(_table(seen, unit, room))
    parts += [Text(line, style="dim") for line in _notes(seen, unit, room)]
    return Group(*parts)


def _headline(seen: Picture) -> str:
    if not seen.usages:
        return "no BPF program is loaded"
    count = len(seen.usages)
    return (
        f"{count} program{'s' * (count > 1)}, {seen.runs_per_s:,.0f} runs/s over"
        f" {seen.seconds:.1f} s: {_share(seen.total)} of one core,"
        f" {_share(seen.total / seen.cpus)} of {seen.cpus} CPUs; maps {_bytes(seen.map_bytes)}"
    )


def _table(seen: Picture, unit: str, room: Room) -> Table:
    shown = seen.usages[: room.rows]
    cells = [_cells(usage, unit) for usage in shown]
    if not any(usage.program.missed for usage in shown):
        cells = [{name: text for name, text in row.items() if name != "missed"} for row in cells]
    rows = [{name: printable(text) for name, text in row.items()} for row in cells]
    headings = [heading for heading in rows[0] if room.columns >= _NEEDS.get(heading, 0)]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    widths = _widths(headings, rows, room.columns)
    for heading, width in widths.items():
        justify: JustifyMethod = "left" if heading in _WORDS else "right"
        table.add_column(heading, width=width, justify=justify, no_wrap=True, overflow="ellipsis")
    for usage, row in zip(shown, rows, strict=True):
        texts = [Text(row[heading]) for heading in widths]
        table.add_row(*texts, style=None if usage.runs_per_s else "dim")
    return table


def _widths(headings: list[str], rows: list[dict[str, str]], columns: int) -> dict[str, int]:
    """Return the width of each column that a terminal has room for.

    Words are cut where it is too narrow; if the numbers alone are too wide, words are left out.
    No number is ever cut.
    """
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in headings}

    def excess() -> int:
        return sum(widths.values()) + _BETWEEN * (len(widths) - 1) - columns

    for name, least in _CUT.items():
        if excess() > 0 and name in widths:
            widths[name] = max(widths[name] - excess(), min(least, widths[name]))
    for name in (*_CUT, "Id"):
        if excess() > 0:
            widths.pop(name, None)
    return widths


_WORDS = {"Tag", "Name", "Attach type", "Target", "Process"}
_NEEDS = {"Tag": _TAG_COLUMNS, "Process": _PROCESS_COLUMNS, "Maps": _PROCESS_COLUMNS}


def _cells(usage: Usage, unit: str) -> dict[str, str]:
    """Return a program's row, by heading."""
    program, hooks, processes = usage.program, usage.details.attachments, usage.details.processes
    reported, left_out = usage.run_time_ns, usage.dispatch.left_out
    return {
        "Id": str(program.number),
        "Tag": program.tag,
        "Name": program.name,
        "Attach type": hook_name(usage),
        "Target": _first(_short_target(hooks[0].target) if hooks else "", len(hooks)),
        "Process": _first(str(processes[0]) if processes else "", len(processes)),
        "runs/s": f"{usage.runs_per_s:,.{0 if usage.runs_per_s >= 100 else 1}f}",
        f"{unit} per run": "" if reported is None else f"{reported:,.1f}",
        "dispatch": "n/a" if left_out is None else f"{left_out.estimate:+,.1f}",
        "one core": _percent(usage.total.estimate),
        "missed": f"{usage.program.missed:,}" if usage.program.missed else "",
        "Maps": _bytes(usage.map_bytes) if usage.details.map_bytes else "",
    }


def _short_target(target: str) -> str:
    """Return an attach point in a file, without the folders."""
    return target.rpartition("/")[2] if target.startswith("/") else target


def _first(text: str, count: int) -> str:
    return f"{text} and {count - 1} more" if count > 1 else text


def _notes(seen: Picture, unit: str, room: Room) -> Iterator[str]:
    rest = seen.usages[room.rows :]
    if rest:
        share = _percent(sum(usage.total.estimate for usage in rest))
        yield f"{len(rest)} more programs: {share} of one core"
    for usage in seen.usages[: room.rows]:
        if callers := seen.callers.get(usage.program.number):
            names = ", ".join(printable(str(each)) for each in callers)
            yield f"who ran {printable(usage.program.name)} {usage.program.number}: {names}"
    yield from map(printable, seen.callers_not_counted)
    if any(usage.program.missed for usage in seen.usages):
        yield "missed: runs skipped since loading, as a program ran on that CPU already"
    if seen.gone:
        yield f"{seen.gone} unloaded meanwhile: their last runs are not in the sum"
    if seen.syscalls_per_s is not None:
        yield _slow_path(seen, unit)
    if any(usage.runs_per_s and usage.dispatch.left_out for usage in seen.usages):
        yield (
            "dispatch and slow path are those of a tight loop: what does much between its system"
            " calls pays more; impact measures it"
        )
    for why, hooks in seen.unpriced.items():
        names = ", ".join(hooks)
        yield f"dispatch of {names} unknown, so only the reported time counts: {why}"
    yield _own(seen, unit)


def _slow_path(seen: Picture, unit: str) -> str:
    what = f"system calls are traced, so all of them ({seen.syscalls_per_s:,.0f}/s at least) pay"
    share = seen.slow_path_share
    if share is None or seen.slow_path is None:
        return (
            f"{what} for a slow path, which is not in the sum: it can be measured only while"
            " nothing traces them"
        )
    return f"{what} {seen.slow_path.estimate:,.1f} {unit} for the slow path: {_share(share)}"


def _own(seen: Picture, unit: str) -> str:
    text = f"watching took {_percent(seen.own_share)} of one core"
    share = seen.statistics_share
    if share is None or seen.statistics is None:
        return f"{text}, plus the cost of the kernel's statistics per run"
    added = seen.statistics.estimate
    return f"{text}, and the kernel's statistics {_share(share)} ({added:+,.1f} {unit} per run)"


def _share(share: Share) -> str:
    if share.low == share.high:
        return _percent(share.estimate)
    low, high = (_percent(each).removesuffix(" %") for each in (share.low, share.high))
    return f"{_percent(share.estimate)} ({low} … {high} %)"


def _percent(share: float) -> str:
    percent = 100 * share
    digits = 1 if abs(percent) >= 10 else 2 if abs(percent) >= 1 else 4
    return f"{percent:.{digits}f} %"


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
