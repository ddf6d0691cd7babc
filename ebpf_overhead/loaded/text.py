"""What loaded programs cost, for people: a table, the sums, and what is not known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich import box
from rich.console import Group, JustifyMethod
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ebpf_overhead.estimate.answer import Share
from ebpf_overhead.loaded.usage import Picture, Usage, hook_name

# Narrower terminals get no tag; narrower ones neither processes nor maps.
_TAG_COLUMNS, _PROCESS_COLUMNS = 150, 100
# Columns that may be cut where there is no room, the first ones first, and to what width.
_CUT = {"Target": 8, "Process": 10, "Name": 6, "Attach type": 8}
_BETWEEN = 3  # what the table puts between two columns


@dataclass(frozen=True)
class Frame:
    """How much room there is.

    Attributes
    ----------
    columns : int
        Width of the terminal.
    rows : int
        How many programs to list.
    """

    columns: int
    rows: int


def render(seen: Picture, unit: str, frame: Frame) -> Group:
    """Return a picture as rich prints it."""
    parts: list[Text | Table] = [Text(_headline(seen), style="bold")]
    if seen.usages:
        parts.append(_table(seen, unit, frame))
    parts += [Text(line, style="dim") for line in _notes(seen, unit, frame)]
    return Group(*parts)


def _headline(seen: Picture) -> str:
    if not seen.usages:
        return "no BPF program is loaded"
    count = len(seen.usages)
    machine = Share(*(each / seen.cpus for each in _bounds(seen.total)))
    return (
        f"{count} program{'s' * (count > 1)}, {seen.runs_per_s:,.0f} runs/s over"
        f" {seen.seconds:.1f} s: {_share(seen.total)} of one core,"
        f" {_share(machine)} of {seen.cpus} CPUs; maps {_bytes(seen.map_bytes)}"
    )


def _table(seen: Picture, unit: str, frame: Frame) -> Table:
    shown = seen.usages[: frame.rows]
    rows = [_cells(usage, unit) for usage in shown]
    headings = [heading for heading in rows[0] if frame.columns >= _NEEDS.get(heading, 0)]
    widths = _widths(headings, rows, frame.columns)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading in headings:
        justify: JustifyMethod = "left" if heading in _WORDS else "right"
        table.add_column(
            heading, width=widths[heading], justify=justify, no_wrap=True, overflow="ellipsis"
        )
    for usage, row in zip(shown, rows, strict=True):
        cells = [escape(row[heading]) for heading in headings]
        table.add_row(*cells, style=None if usage.runs_per_s else "dim")
    return table


def _widths(headings: list[str], rows: list[dict[str, str]], columns: int) -> dict[str, int]:
    """Return the width of each column, cut where the terminal is too narrow for all of it."""
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in headings}
    for name, least in _CUT.items():
        excess = sum(widths.values()) + _BETWEEN * (len(widths) - 1) - columns
        if excess > 0 and name in widths:
            widths[name] = max(widths[name] - excess, min(least, widths[name]))
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
        f"{unit} a run": "" if reported is None else f"{reported:,.1f}",
        "dispatch": "n/a" if left_out is None else f"{left_out.estimate:+,.1f}",
        "one core": _percent(usage.total.estimate),
        "Maps": _bytes(usage.map_bytes) if usage.details.map_bytes else "",
    }


def _short_target(target: str) -> str:
    """Return a file's place without its folders."""
    return target.rpartition("/")[2] if target.startswith("/") else target


def _first(text: str, count: int) -> str:
    return f"{text} and {count - 1} more" if count > 1 else text


def _notes(seen: Picture, unit: str, frame: Frame) -> Iterator[str]:
    rest = seen.usages[frame.rows :]
    if rest:
        share = _percent(sum(usage.total.estimate for usage in rest))
        yield f"{len(rest)} more programs: {share} of one core"
    if seen.gone:
        yield f"{seen.gone} unloaded meanwhile: their last runs are not in the sum"
    if seen.syscalls_per_s is not None:
        yield _slow_path(seen, unit)
    for why, hooks in seen.unpriced.items():
        names = ", ".join(hooks)
        yield f"dispatch not known of {names}, only the reported time counts: {why}"
    yield _own(seen, unit)


def _slow_path(seen: Picture, unit: str) -> str:
    what = f"system calls are traced, so all of them ({seen.syscalls_per_s:,.0f}/s at least) pay"
    share = seen.slow_path_share
    if share is None or seen.slow_path is None:
        return (
            f"{what} for a slow path besides, which is not in the sum: it can be measured only"
            " while nothing traces them"
        )
    return f"{what} {seen.slow_path.estimate:,.1f} {unit} for the slow path: {_share(share)}"


def _own(seen: Picture, unit: str) -> str:
    text = f"watching took {_percent(seen.own_share)} of one core"
    share = seen.statistics_share
    if share is None or seen.statistics is None:
        return f"{text}, and what the kernel's statistics add to each run"
    added = seen.statistics.estimate
    return f"{text}, and the kernel's statistics {_share(share)} ({added:+,.1f} {unit} a run)"


def _bounds(share: Share) -> tuple[float, float, float]:
    return share.estimate, share.low, share.high


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
