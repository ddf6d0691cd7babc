"""Flame graphs as SVG, side by side on one scale, so that differences are visible.

The width of a frame is its share of the time per call.  Callers are below the functions that they
call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from xml.sax.saxutils import escape

from ebpf_overhead.tools.profile.parts import Part, Target, part_of
from ebpf_overhead.tools.profile.stacks import Frame, Stack, Stacks

COLOURS = {
    Part.USER: "#9fb8cf",
    Part.TARGET: "#7fb77e",
    Part.DISPATCH: "#f2b05e",
    Part.PROGRAM: "#d9534f",
    Part.HELPERS: "#e59a97",
}

_ROW, _MARGIN, _GAP, _TITLE, _LEGEND = 18, 12, 24, 44, 40
_WIDTH = 1400
_TITLE_WIDTH = 200
_CHARACTER = 6.6  # width of one, 11 px in a monospaced font
_NARROWEST = 0.7  # px; narrower frames are invisible


@dataclass(frozen=True)
class Panel:
    """One flame graph.

    Attributes
    ----------
    title : str
        Title of the graph.
    stacks : Stacks
        Samples.
    target : Target
        The workload, as stacks show it.
    total : float
        What all samples represent: the time per call, or the number of samples.
    unit : str
        Unit of the total.
    exact : bool
        Whether the samples are all there was.
    """

    title: str
    stacks: Stacks
    target: Target
    total: float
    unit: str
    exact: bool = False


@dataclass
class _Node:
    """A function, with one stack of callers."""

    stack: Stack
    samples: int = 0
    inner: dict[Frame, _Node] = field(default_factory=dict)


class _Box(NamedTuple):
    """Position of a frame: offset in samples, row from the bottom."""

    node: _Node
    offset: int
    row: int


def draw(panels: Sequence[Panel]) -> str:
    """Return panels side by side as an SVG document; frames show their numbers as tooltips."""
    trees = [_tree(panel.stacks) for panel in panels]
    widths = _widths(panels)
    rows = 1 + max(
        box.row for tree, width in zip(trees, widths, strict=True) for box in _seen(tree, width)
    )
    height = _TITLE + rows * _ROW + _LEGEND + _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}"'
        f' viewBox="0 0 {_WIDTH} {height}" font-family="monospace" font-size="11">',
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
    ]
    left = float(_MARGIN)
    for panel, tree, width in zip(panels, trees, widths, strict=True):
        parts += _panel(panel, tree, left, width, _TITLE + rows * _ROW)
        left += max(width, _TITLE_WIDTH) + _GAP
    parts += _legend(height - _LEGEND + 8)
    return "\n".join([*parts, "</svg>", ""])


def _widths(panels: Sequence[Panel]) -> list[float]:
    """Return the width of each panel, on one scale, but at least the width of its title."""
    space = _WIDTH - 2 * _MARGIN - _GAP * (len(panels) - 1)
    totals = [panel.total for panel in panels]
    scale = space / sum(totals)
    narrow = [total for total in totals if total * scale < _TITLE_WIDTH]
    if narrow and len(narrow) < len(totals):
        scale = (space - len(narrow) * _TITLE_WIDTH) / (sum(totals) - sum(narrow))
    return [total * scale for total in totals]


def _tree(stacks: Stacks) -> _Node:
    root = _Node(())
    for stack, samples in stacks.items():
        node = root
        node.samples += samples
        for depth, frame in enumerate(stack):
            node = node.inner.setdefault(frame, _Node(stack[: depth + 1]))
            node.samples += samples
    return root


def _seen(tree: _Node, width: float) -> Iterator[_Box]:
    """Yield the frames that are wide enough to be drawn."""
    return (box for box in _boxes(tree) if box.node.samples * width / tree.samples >= _NARROWEST)


def _boxes(node: _Node, offset: int = 0, row: int = 0) -> Iterator[_Box]:
    """Yield every frame; frames with the same caller are sorted by name."""
    for _, inner in sorted(node.inner.items()):
        yield _Box(inner, offset, row)
        yield from _boxes(inner, offset, row + 1)
        offset += inner.samples


def _panel(panel: Panel, tree: _Node, left: float, width: float, bottom: float) -> list[str]:
    pixels = width / tree.samples
    describe = _describer(panel, tree.samples)
    parts = [_text(left, 18, panel.title, bold=True)]
    counted = "" if panel.exact else f", {tree.samples:,} samples"
    parts.append(_text(left, 34, f"{panel.total:,.4g} {panel.unit}{counted}"))
    for box in _seen(tree, width):
        x, y = left + box.offset * pixels, bottom - (box.row + 1) * _ROW
        wide = box.node.samples * pixels
        parts.append(_frame(box.node, x, y, wide, panel.target, describe(box.node)))
    return parts


def _describer(panel: Panel, samples: int) -> Callable[[_Node], str]:
    def describe(node: _Node) -> str:
        share = node.samples / samples
        return f"{node.stack[-1].name}: {share * panel.total:,.1f} {panel.unit}, {share:.1%}"

    return describe


def _frame(node: _Node, x: float, y: float, wide: float, target: Target, title: str) -> str:
    colour = COLOURS[part_of(node.stack, target)]
    name = _cut(node.stack[-1].name, wide - 6)
    text = f'<text x="{x + 3:.1f}" y="{y + 12.5:.1f}">{escape(name)}</text>' if name else ""
    return (
        f'<g><title>{escape(title)}</title><rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}"'
        f' height="{_ROW - 1}" rx="1" fill="{colour}" stroke="white" stroke-width="0.5"/>{text}</g>'
    )


def _legend(y: float) -> list[str]:
    parts, x = [], float(_MARGIN)
    for part, colour in COLOURS.items():
        parts.append(f'<rect x="{x:.0f}" y="{y}" width="12" height="12" fill="{colour}"/>')
        parts.append(_text(x + 17, y + 10, part.value))
        x += 17 + len(part.value) * _CHARACTER + 26
    return parts


def _text(x: float, y: float, text: str, bold: bool = False) -> str:
    weight = ' font-weight="bold" font-size="12"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{weight}>{escape(text)}</text>'


def _cut(text: str, room: float) -> str:
    """Return as much of a text as fits; nothing if that is too short to be useful."""
    fits = int(room / _CHARACTER)
    if len(text) <= fits:
        return text
    return text[: fits - 1] + "…" if fits > 3 else ""
