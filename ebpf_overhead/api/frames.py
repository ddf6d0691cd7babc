"""Records and comparisons as tables with a row per case, for pandas and for whoever has none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ebpf_overhead.errors import MissingToolError
from ebpf_overhead.report.comparison import ComparedRow, Comparison
from ebpf_overhead.report.record import Record

if TYPE_CHECKING:
    import pandas

# Every window is there a thousand times; what was asked is in the columns.
_LEFT_OUT = {"samples", "static", "maps", "findings"}


def rows(what: Record | Comparison) -> list[dict[str, Any]]:
    """Return the cases of a record, or the rows of a comparison, as flat dictionaries.

    An interval ``overhead`` becomes ``overhead``, ``overhead_low`` and ``overhead_high``.  Lists
    are left out.

    Parameters
    ----------
    what : dict or Comparison
        What `measure` or `read` returned, or what `compare` did.
    """
    if isinstance(what, Comparison):
        return [_compared(row) for row in what.rows]
    return [dict(_flat(case)) for case in what.get("cases", ())]


def frame(what: Record | Comparison) -> pandas.DataFrame:
    """Return the same as a data frame.

    Raises
    ------
    MissingToolError
        pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise MissingToolError("pandas is not installed", "pip install pandas") from error
    return pandas.DataFrame(rows(what))


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, each in value.items():
        if name in _LEFT_OUT or isinstance(each, list):
            continue
        if not isinstance(each, Mapping):
            yield prefix + name, each
            continue
        # An estimate, or a median, is the number itself.
        main = next((key for key in ("estimate", "median") if key in each), None)
        rest = {key: number for key, number in each.items() if key not in (main, "confidence")}
        if main is not None:
            yield prefix + name, each[main]
        yield from _flat(rest, f"{prefix}{name}_")


def _compared(row: ComparedRow) -> dict[str, Any]:
    values = {
        "before": row.before.value,
        "after": row.after.value,
        "difference": row.difference,
    }
    return {
        "what": row.before.what,
        "of": ", ".join(row.before.of),
        "unit": row.before.unit,
        **{
            f"{name}{end}": number
            for name, value in values.items()
            for end, number in (
                ("", value.estimate),
                ("_low", value.low),
                ("_high", value.high),
            )
        },
        "ratio": row.ratio,
        "verdict": row.verdict,
    }
