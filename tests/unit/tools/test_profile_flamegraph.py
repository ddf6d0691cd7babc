"""Flame graphs: one scale for both, parts by colour, nothing that breaks the XML."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from ebpf_overhead.tools.profile.flamegraph import COLOURS, Panel, draw
from ebpf_overhead.tools.profile.parts import Part, Target
from ebpf_overhead.tools.profile.stacks import Frame

SVG = "{http://www.w3.org/2000/svg}"
LOOP, ENTRY = Frame("loop", False), Frame("entry", True)
DISPATCH, PROGRAM = Frame("bpf_trace_run2", True), Frame("bpf_prog_0123456789abcdef_x", True)


def frames(*panels: Panel) -> list[tuple[str, str, float, float]]:
    """Title, colour, left edge and width of every frame."""
    found = []
    for group in ElementTree.fromstring(draw(panels)).iter(f"{SVG}g"):
        rect = group.find(f"{SVG}rect")
        title = group.find(f"{SVG}title").text
        place = (float(rect.get(name)) for name in ("x", "width"))
        found.append((title, rect.get("fill"), *place))
    return found


def panel(total: float, *stacks, title: str = "title") -> Panel:
    return Panel(title, Counter(dict(stacks)), Target(), total, "ns")


UNPROBED = panel(100.0, ((LOOP,), 1), ((LOOP, ENTRY), 3))
PROBED = panel(400.0, ((LOOP,), 25), ((LOOP, ENTRY), 75), ((LOOP, ENTRY, DISPATCH, PROGRAM), 300))


def test_both_are_drawn_on_one_scale():
    found = frames(UNPROBED, PROBED)
    loops = [each for each in found if each[0].startswith("loop")]
    assert [each[0] for each in loops] == ["loop: 100.0 ns, 100.0%", "loop: 400.0 ns, 100.0%"]
    (_, _, left, width), (_, _, right, wide) = loops
    assert wide == pytest.approx(4 * width, rel=0.01)
    assert right > left + width


def test_frame_lies_within_its_caller_and_has_the_colour_of_its_part():
    by_name = {title.partition(":")[0]: each for title, *each in frames(PROBED)}
    names = ["loop", "entry", "bpf_trace_run2", PROGRAM.name]
    parts = [Part.USER, Part.TARGET, Part.DISPATCH, Part.PROGRAM]
    assert [by_name[name][0] for name in names] == [COLOURS[part] for part in parts]
    for outer, inner in pairwise(names):
        (_, left, width), (_, inner_left, inner_width) = by_name[outer], by_name[inner]
        assert left <= inner_left
        assert inner_left + inner_width <= left + width + 0.2
    assert by_name[PROGRAM.name][2] == pytest.approx(0.75 * by_name["loop"][2], rel=0.01)


def test_narrow_graph_leaves_room_for_its_title():
    function = panel(1.0, ((LOOP,), 1), title="function, no probe")
    (_, _, left, width), *others = frames(function, PROBED)
    assert width < 5
    assert min(x for _, _, x, _ in others) > left + 190


def test_names_are_escaped_and_cut_to_the_room():
    template = Frame("std::vector<int>::push_back(int&&)" * 20, False)
    (frame, *_) = frames(panel(1.0, ((template,), 1)))
    assert frame[0].startswith("std::vector<int>::push_back(int&&)std")
    texts = [
        each.text or ""
        for each in ElementTree.fromstring(draw([panel(1.0, ((template,), 1))])).iter(f"{SVG}text")
    ]
    (label,) = [text for text in texts if text.startswith("std::")]
    assert label.endswith("…")
    assert len(label) < 220
