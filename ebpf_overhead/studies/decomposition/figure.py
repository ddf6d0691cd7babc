"""A decomposition as a figure: hooks as bars, bodies as points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ebpf_overhead.report.canvas import STYLES, logarithmic, new_figure
from ebpf_overhead.report.record import Record
from ebpf_overhead.studies.decomposition.parts import Decomposition, decompose
from ebpf_overhead.studies.decomposition.tables import text, to_markdown


def markdown(records: Sequence[Record]) -> str:
    """Return the tables of a record, split by a second one of ``measure --beside``."""
    return to_markdown(decompose(*records[:2]))


def draw(records: Sequence[Record]) -> Any:
    """Return the figure of the same records."""
    return draw_parts(decompose(*records[:2]))


def draw_parts(parts: Decomposition) -> Any:
    """Return a figure with hooks as bars and bodies as points.

    Raises
    ------
    MissingToolError
        matplotlib is not installed.
    """
    figure = new_figure(9, 3 + 0.22 * len(parts.bodies))
    count = len(parts.hooks)
    hooks, bodies = figure.subplots(
        2, 1, height_ratios=[0.35 * count, max(0.22 * len(parts.bodies), 1)]
    )
    figure.suptitle(f"What a probe on getpid costs, kernel {parts.kernel}")
    _draw_hooks(hooks, parts)
    _draw_bodies(bodies, parts)
    return figure


def _draw_hooks(axes: Any, parts: Decomposition) -> None:
    for index, (name, hook) in enumerate(parts.hooks.items()):
        colour = STYLES[name]["color"]
        if hook.entry is None or hook.dispatch is None:
            axes.barh(index, hook.total.estimate, color=colour)
        else:
            axes.barh(index, hook.entry.estimate, color=colour)
            axes.barh(
                index,
                hook.dispatch.estimate,
                left=hook.entry.estimate,
                color=colour,
                alpha=0.5,
            )
        axes.annotate(f" {text(hook.total)}", (hook.total.estimate, index), va="center", fontsize=9)
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
            color=STYLES[name]["color"],
            label=name,
        )
    axes.set_yticks(range(len(bodies)), [body.program for body in bodies], fontsize=8)
    logarithmic(axes)
    axes.margins(y=0.02)
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="lower right", fontsize=9)
    axes.set_title(
        "body: what the program costs beyond the hook, by attach type", loc="left", fontsize=10
    )
    axes.set_xlabel(f"{parts.unit} per call, logarithmic")
