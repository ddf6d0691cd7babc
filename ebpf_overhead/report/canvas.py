"""What all figures share: matplotlib, if it is installed, and how they look."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ebpf_overhead.errors import BadUseError, MissingToolError
from ebpf_overhead.hooks.attach_types import ATTACH_TYPES, GROUPS, STANDARD_ATTACH_TYPES
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.report.record import Record
from ebpf_overhead.report.table import Table, table_lines

# The same file for the same data: no date, no random names inside.
_STYLE: Any = {
    "svg.hashsalt": "ebpf-overhead",
    "font.size": 9,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
}

_MARKERS = ("o", "s", "v", "^", "D", "<", ">", "p", "h", "*")
# An attach type looks the same in every figure; those that are drawn most come first.
STYLES: dict[str, dict[str, Any]] = {
    attach: {"color": f"C{number % 10}", "marker": _MARKERS[number % len(_MARKERS)]}
    for number, attach in enumerate(
        dict.fromkeys((*STANDARD_ATTACH_TYPES, *GROUPS["trampolines"], *ATTACH_TYPES))
    )
}


def markdown(tables: Callable[[Record], Iterable[Table]], records: Iterable[Record]) -> str:
    """Return the tables of records in Markdown, each under where its record was measured."""
    lines: list[str] = []
    for record in records:
        for table in tables(record):
            title = f", {table.title}" if table.title else ""
            lines += [f"**{subject(record)}**{title}", "", *table_lines(table), ""]
    return "\n".join(lines)


def curve(
    axis: Any,
    at: Iterable[float],
    values: Iterable[Interval],
    *,
    across: bool = False,
    **style: Any,
) -> None:
    """Draw estimates with their intervals.

    Parameters
    ----------
    axis : matplotlib.axes.Axes
        Where.
    at : iterable of float
        The place of each on the other axis.
    values : iterable of Interval
        What was measured.
    across : bool
        Whether they are drawn along the horizontal axis.
    **style
        For matplotlib.
    """
    found = list(values)
    middle = [each.estimate for each in found]
    error = [
        [max(each.estimate - each.low, 0) for each in found],
        [max(each.high - each.estimate, 0) for each in found],
    ]
    places = (middle, list(at)) if across else (list(at), middle)
    axis.errorbar(*places, **{"xerr" if across else "yerr": error, "markersize": 4, **style})


def panels(
    count: int, height_inches: float = 3.6, sharex: bool = False, sharey: bool = False
) -> tuple[Any, list[Any]]:
    """Return a figure with so many axes side by side; see `new_figure`.

    Parameters
    ----------
    count : int
        How many.
    height_inches : float
        Height of all.
    sharex, sharey : bool
        Whether the panels show the same quantity, and so have one scale.
    """
    figure = new_figure(4.2 * count, height_inches)
    axes = figure.subplots(1, count, squeeze=False, sharex=sharex, sharey=sharey)
    return figure, list(axes[0])


def from_zero(axes: Iterable[Any]) -> None:
    """Let vertical axes begin at zero; where panels share one, all must have been drawn before."""
    for axis in axes:
        axis.set_ylim(bottom=0)


def logarithmic(axis: Any, ticks: Iterable[float] | None = None) -> None:
    """Make a horizontal axis logarithmic, with numbers that can be read: 1,000, not 10³.

    Parameters
    ----------
    axis : matplotlib.axes.Axes
        Of which panel.
    ticks : iterable of float, optional
        Where the numbers are; at powers of ten by default.
    """
    from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

    axis.set_xscale("log")
    if ticks is not None:
        axis.set_xticks(sorted(ticks))
        axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.9g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())


def new_figure(width_inches: float, height_inches: float) -> Any:
    """Return an empty figure.

    Raises
    ------
    MissingToolError
        matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingToolError(
            "matplotlib not found, which draws", "pip install 'ebpf-overhead[plots]'"
        ) from error
    matplotlib.rcParams.update(_STYLE)
    return Figure(figsize=(width_inches, height_inches), layout="constrained")


def save(figure: Any, path: Path) -> None:
    """Write a figure; the ending of the name chooses the format.

    Raises
    ------
    BadUseError
        matplotlib knows no such format, or the name has no ending.
    """
    # Without a format matplotlib would add an ending, and write another file than was named.
    kind = path.suffix.removeprefix(".")
    metadata = {"Date": None} if path.suffix == ".svg" else None
    try:
        figure.savefig(path, dpi=110, format=kind, metadata=metadata)
    except ValueError as error:
        raise BadUseError(f"figure not written: {error}", "name a file .svg or .png") from error


def subject(record: Record) -> str:
    """Return where a record was measured, for a panel's title: kernel, and guest or not."""
    release = record["machine"]["kernel"]["release"]
    return f"guest, {release}" if "guest" in record else f"native, {release}"
