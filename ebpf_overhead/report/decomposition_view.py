"""A decomposition as tables and as a plot."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ebpf_overhead.errors import MissingToolError
from ebpf_overhead.report.decomposition import Cost, Decomposition
from ebpf_overhead.report.rows import UNIT_HEADINGS

Row = tuple[str, ...]


def hook_rows(parts: Decomposition) -> list[Row]:
    """Return the headings and a row for each attach type."""
    rows: list[Row] = [("attach type", "hook", "entry", "dispatch")]
    for name, hook in parts.hooks.items():
        rows.append((name, _text(hook.total), _text(hook.entry), _text(hook.dispatch)))
    return rows


def body_rows(parts: Decomposition) -> list[Row]:
    """Return the headings and a row for each program: its body by attach type."""
    rows: list[Row] = [("program", *parts.hooks, "spread", "same everywhere")]
    for body in parts.bodies:
        costs = (_text(body.costs.get(name)) for name in parts.hooks)
        several = len(body.costs) > 1
        same = ("yes" if body.additive else "no") if several else ""
        rows.append((body.program, *costs, f"{body.spread:.1f}" if several else "", same))
    return rows


def _text(cost: Cost | None) -> str:
    return "n/a" if cost is None else f"{cost.estimate:.1f}"


def to_markdown(parts: Decomposition) -> str:
    """Return both tables in Markdown."""
    return "\n".join(_markdown(parts)) + "\n"


def _markdown(parts: Decomposition) -> Iterator[str]:
    unit = UNIT_HEADINGS[parts.unit]
    for title, rows in (("Hook", hook_rows(parts)), ("Body", body_rows(parts))):
        yield f"**{title}, {unit}, kernel {parts.kernel}**\n"
        for index, row in enumerate(rows):
            yield "| " + " | ".join(row) + " |"
            if index == 0:
                yield "| --- |" + " --: |" * (len(row) - 1)
        yield ""


def plot(parts: Decomposition, path: Path) -> None:
    """Draw hooks as bars and bodies as points, and write the picture.

    Parameters
    ----------
    parts : Decomposition
        What to draw.
    path : Path
        Where to; the ending says the format.

    Raises
    ------
    MissingToolError
        matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingToolError(
            "matplotlib not found, which plots need", "pip install 'ebpf-overhead[plots]'"
        ) from error
    figure = Figure(figsize=(9, 3 + 0.22 * len(parts.bodies)), layout="constrained")
    count = len(parts.hooks)
    hooks, bodies = figure.subplots(
        2, 1, height_ratios=[0.35 * count, max(0.22 * len(parts.bodies), 1)]
    )
    figure.suptitle(f"What a probe on getpid costs, kernel {parts.kernel}")
    _draw_hooks(hooks, parts)
    _draw_bodies(bodies, parts)
    figure.savefig(path, dpi=110)


def _draw_hooks(axes: Any, parts: Decomposition) -> None:
    for index, hook in enumerate(parts.hooks.values()):
        if hook.entry is None or hook.dispatch is None:
            axes.barh(index, hook.total.estimate, color=f"C{index}")
        else:
            axes.barh(index, hook.entry.estimate, color=f"C{index}")
            axes.barh(
                index,
                hook.dispatch.estimate,
                left=hook.entry.estimate,
                color=f"C{index}",
                alpha=0.5,
            )
        axes.annotate(
            f" {_text(hook.total)}", (hook.total.estimate, index), va="center", fontsize=9
        )
    axes.set_yticks(range(len(parts.hooks)), list(parts.hooks))
    axes.invert_yaxis()
    axes.margins(x=0.12)
    split = any(hook.dispatch for hook in parts.hooks.values())
    axes.set_title(
        "hook" + (": entry (dark), dispatch (light)" if split else ""), loc="left", fontsize=10
    )
    axes.set_xlabel(f"{parts.unit} per call")


def _draw_bodies(axes: Any, parts: Decomposition) -> None:
    bodies = sorted(parts.bodies, key=lambda body: max(c.estimate for c in body.costs.values()))
    markers = "o|x+v^s"
    for index, name in enumerate(parts.hooks):
        points = [
            (max(body.costs[name].estimate, math.nextafter(0, 1)), row)
            for row, body in enumerate(bodies)
            if name in body.costs
        ]
        axes.plot(
            *zip(*points, strict=True),
            linestyle="none",
            marker=markers[index % len(markers)],
            markersize=8,
            fillstyle="none",
            color=f"C{index}",
            label=name,
        )
    axes.set_yticks(range(len(bodies)), [body.program for body in bodies], fontsize=8)
    axes.set_xscale("log")
    axes.margins(y=0.02)
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="lower right", fontsize=9)
    axes.set_title(
        "body: what the program costs beyond the hook, by attach type", loc="left", fontsize=10
    )
    axes.set_xlabel(f"{parts.unit} per call, logarithmic")
