"""``scripts/applications``: what it makes of made-up applications, and writes into the page."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import asdict

import pytest
import script_modules

from ebpf_overhead.machine import describe
from ebpf_overhead.measure.stats import Interval

MARKS = "<!-- applications:begin -->\n<!-- applications:end -->\n"


@pytest.fixture
def script(monkeypatch, tmp_path):
    module = script_modules.load("applications")
    monkeypatch.setattr(module, "WORK", tmp_path)
    monkeypatch.setattr(module, "PAGE", tmp_path / "page.md")
    module.PAGE.write_text(MARKS)
    return module


class Steady:
    """An application whose work takes so long each; it works only while it is busy."""

    def __init__(self, script, each_ns: int) -> None:
        self.count_of, self.each_ns, self.is_busy, self.done = script.loads.Count, each_ns, False, 5

    @contextmanager
    def busy(self):
        self.is_busy = True
        yield
        self.is_busy = False

    def work(self, seconds):
        assert self.is_busy
        self.done += 100

    def count(self):
        return self.count_of((self.done, self.done * self.each_ns))


def test_each_application_is_busy_in_turns(script):
    applications = {"redis": Steady(script, 20_000), "build": Steady(script, 900_000_000)}
    segment = script.ApplicationTurns(applications).segment(0.4, None)
    assert segment.per_call == {"redis": 20_000.0, "build": 900_000_000.0}
    assert not any(each.is_busy for each in applications.values())


def test_an_application_that_does_nothing_is_not_divided_by(script):
    count = script.loads.Count((5, 100))
    with pytest.raises(SystemExit, match="did nothing"):
        count.each_since(count)


@pytest.mark.parametrize(
    ("low", "estimate", "high", "predicted", "said"),
    [
        (900, 1_000, 1_100, 500, "0.50"),
        (900, 1_000, 1_100, 950, "(0.95)"),
        (-10, 20, 50, 30, "within the interval"),
        (-10, 20, 50, 60, "too much"),
    ],
)
def test_verdict_knows_what_chance_may_do(script, low, estimate, high, predicted, said):
    found = {"low": low, "estimate": estimate, "high": high}
    assert script.verdict(found, predicted) == said


def test_page_has_what_was_measured_and_why_not(script):
    case = {
        "without": 20_000.0,
        "difference": asdict(Interval(1_000.0, 900.0, 1_100.0, 0.99)),
        "share": asdict(Interval(0.05, 0.045, 0.055, 0.99)),
        "predicted": 500.0,
    }
    names = ("redis", "request"), ("nginx", "request"), ("build", "build")
    cases = [{"application": name, "what": what, **case} for name, what in names]
    record = {"tool": script.TOOLS[0], "machine": asdict(describe()), "rounds": 8, "cases": cases}
    script.kept(script.TOOLS[0]).write_text(json.dumps(record))
    failed = {"tool": script.TOOLS[-1], "reason": "it cannot be compiled"}
    script.kept(script.TOOLS[-1]).write_text(json.dumps(failed))
    script.write_page()
    text = script.PAGE.read_text()
    tool = f"`{script.TOOLS[0]}`"
    assert f"| redis | {tool} | 20.0 µs | +1.00 ± 0.10 | +5.0 % | +0.50 | 0.50 |" in text
    assert text.count(tool) == len(cases)
    assert f"- `{script.TOOLS[-1]}`: it cannot be compiled" in text
