"""Rounds in which a tool had programs, and in which it has none."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

from impact_rounds import LIFE

from ebpf_overhead.tools.impact import rounds as impact_rounds
from ebpf_overhead.tools.impact.presence import Patience
from ebpf_overhead.tools.impact.rounds import ImpactQuestion, rounds
from ebpf_overhead.tools.impact.starting import ToolLaunch


def test_what_had_programs_once_must_have_some_in_every_round(monkeypatch):
    """A round without them would count as one with the tool, and hide what it costs."""
    asked: list[Patience] = []

    def one(question, patience, turn, counting):
        asked.append(patience)
        programs = 0 if len(asked) == 1 else 2
        return SimpleNamespace(life=replace(LIFE, programs=programs))

    monkeypatch.setattr(impact_rounds, "_one_round", one)
    question = ImpactQuestion(ToolLaunch(("tool",)), None, Patience(3.0), rounds=3)
    list(rounds(question, SimpleNamespace(turn=lambda: None), lambda number: None))
    assert [(each.expected, each.needed) for each in asked] == [
        (True, False),
        (False, False),
        (False, True),
    ]
    assert {each.timeout_s for each in asked} == {3.0}
