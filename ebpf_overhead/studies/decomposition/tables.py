"""A decomposition as tables."""

from __future__ import annotations

from ebpf_overhead.report import formats
from ebpf_overhead.report.table import UNIT_HEADINGS, Table
from ebpf_overhead.studies.decomposition.parts import Cost, Decomposition

Row = tuple[str, ...]


def hook_rows(parts: Decomposition) -> list[Row]:
    """Return the headings and a row for each attach type."""
    rows: list[Row] = [("attach type", "hook", "entry", "dispatch")]
    for name, hook in parts.hooks.items():
        rows.append((name, text(hook.total), text(hook.entry), text(hook.dispatch)))
    return rows


def body_rows(parts: Decomposition) -> list[Row]:
    """Return the headings and a row for each program: its body by attach type."""
    rows: list[Row] = [("program", *parts.hooks, "spread", "same everywhere")]
    for body in parts.bodies:
        costs = (text(body.costs.get(name)) for name in parts.hooks)
        several = len(body.costs) > 1
        same = ("yes" if body.additive else "no") if several else ""
        rows.append((body.program, *costs, f"{body.spread:.1f}" if several else "", same))
    return rows


def text(cost: Cost | None) -> str:
    """Return a cost for a cell."""
    return "n/a" if cost is None else f"{cost.estimate:.1f}"


def tables(parts: Decomposition) -> list[Table]:
    """Return the tables of hooks and of bodies."""
    where = f"{UNIT_HEADINGS[parts.unit]}, kernel {parts.kernel}"
    return [
        Table(f"{what}, {where}", rows[0], rows[1:])
        for what, rows in (("Hook", hook_rows(parts)), ("Body", body_rows(parts)))
    ]


def to_markdown(parts: Decomposition) -> str:
    """Return both tables in Markdown."""
    return formats.to_markdown(tables(parts), ())
