"""A hook of one's own, switched: detached whatever ends the measuring, and when."""

from __future__ import annotations

import pytest

from ebpf_overhead.measure import paired
from ebpf_overhead.tools.estimate import costs
from ebpf_overhead.tools.funclatency import own_cost
from ebpf_overhead.tools.top import left_out


class Signal(BaseException):
    """Comes at any time."""


class Held:
    """What a hook holds, as the tracers hold theirs; a signal comes before or after a change."""

    def __init__(self, when: str, change: int = 0) -> None:
        self.when, self.change = when, change
        self.held: list[str] = []
        self.calls = 0

    def switch(self, on: bool) -> None:
        self.calls += 1
        if self.calls == self.change and self.when == "before":
            raise Signal
        if on:
            self.held.append("hook")
        while self.held and not on:
            self.held.pop()
        if self.calls == self.change and self.when == "after":
            raise Signal


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("change", [1, 2, 3])
def test_signal_around_a_switch_leaves_nothing_attached(when, change):
    held = Held(when, change)
    with pytest.raises(Signal):
        paired.paired_difference("getpid", held.switch, time_s=10)
    assert held.calls == change + 1
    assert held.held == []


def test_signal_after_the_first_attachment_detaches(monkeypatch):
    held = Held("never")

    def begin(*arguments: object, **settings: object) -> None:
        raise Signal

    monkeypatch.setattr(paired, "Sampler", begin)
    with pytest.raises(Signal):
        paired.paired_difference("getpid", held.switch)
    assert (held.calls, held.held) == (2, [])


class Attached:
    """Stands for a trace, a counter, or a loaded probe."""

    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1

    def attach(self) -> None: ...

    def __enter__(self) -> Attached:
        return self

    def __exit__(self, *error: object) -> None: ...


@pytest.mark.parametrize("measure", ["own cost", "counting", "statistics"])
def test_detaching_once_more_than_attaching_is_nothing(measure, monkeypatch):
    """As it comes to when a signal arrives in the middle of detaching."""
    attached = Attached()
    monkeypatch.setattr(own_cost, "compiled_tracer", lambda *_: None)
    monkeypatch.setattr(own_cost, "read", lambda *_: None)
    monkeypatch.setattr(own_cost, "_subject", lambda *_: None)
    monkeypatch.setattr(own_cost, "open_pair", lambda *_: attached)
    monkeypatch.setattr(costs, "compiled_counter", lambda *_: None)
    monkeypatch.setattr(costs, "attach_counter", lambda *_: attached)
    monkeypatch.setattr(left_out, "load", lambda *_: attached)
    monkeypatch.setattr(left_out.syscall, "enable_stats", lambda: 77)
    monkeypatch.setattr(left_out.os, "close", lambda fd: attached.close())

    def switched(target, switch, *_, **__):
        for on in (True, False, False):
            switch(on)
        raise Signal

    for module in (own_cost, costs, left_out):
        monkeypatch.setattr(module, "paired_difference", switched)
    run = {
        "own cost": lambda: own_cost._measure(
            "uprobe/uretprobe", "function", own_cost.Filters(), None
        ),
        "counting": lambda: costs._measure_counting("raw_tracepoint", "getpid"),
        "statistics": left_out.measure_statistics,
    }
    with pytest.raises(Signal):
        run[measure]()
    assert attached.closed == 1
