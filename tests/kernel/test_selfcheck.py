"""The self-check on this kernel: its parts, and that it sees what is wrong.

Each check that is right fails less than once in 10,000 times, whatever else the machine does.
"""

from __future__ import annotations

import os

import pytest

from ebpf_overhead.measure import turns
from ebpf_overhead.measure.sampling import choose_cpu
from ebpf_overhead.studies.selfcheck import additional, after_detach, injected
from ebpf_overhead.studies.selfcheck.comparing import Comparing
from ebpf_overhead.studies.selfcheck.run import PARTS, Uncheckable, measure

BY_NAME = {part.name: part for part in PARTS}


@pytest.fixture
def how() -> Comparing:
    return Comparing(choose_cpu())


@pytest.fixture
def few(monkeypatch):
    """Make five comparisons of each, which is enough for what repeats in all of them."""
    monkeypatch.setattr(Comparing, "times", lambda how, few: 5)


@pytest.mark.parametrize("name", ["after detach", "agreement"])
def test_parts_pass_here(some_attach_type, how, few, note, name):
    """In one of three times: on a busy machine an interval excludes zero more often."""
    for _ in range(3):
        found = list(measure([BY_NAME[name]], some_attach_type, how))
        for each in found:
            assert not isinstance(each, Uncheckable), each
            note(f"{each.part}, {each.check}: {each.seen:.3f} {each.unit}")
        assert any(each.passed is not None for each in found)
        if all(each.passed is not False for each in found):
            return
    pytest.fail(f"{found}")


def test_the_jit_makes_one_instruction_of_each(some_attach_type):
    assert injected.emitted_for(some_attach_type) == injected.ADDITIONAL[-1]


def test_a_program_that_stays_is_found(some_attach_type, how, few, monkeypatch):
    """Each program is held by one more descriptor."""
    whole, held = additional.running, []

    def leaking(*what):
        made = whole(*what)
        held.append(os.dup(made.program.fd))
        return made

    monkeypatch.setattr(after_detach, "_FREED_S", 0.2)
    monkeypatch.setattr(additional, "running", leaking)
    try:
        remains = next(after_detach.nothing_remains(how, some_attach_type, lambda share: None))
        assert remains.seen == len(held) >= 1
    finally:
        for each in held:
            os.close(each)
    assert remains.passed is False


def test_intervals_that_are_too_narrow_are_found(how, few, monkeypatch):
    """Nothing against nothing, had the interval no width at all."""
    whole = turns.difference

    def narrow(*levels, **more):
        found = whole(*levels, **more)
        exact = found.estimate or 1e-9  # Where windows are alike to the tick of the clock.
        return type(found)(exact, exact, exact, found.confidence)

    monkeypatch.setattr(turns, "difference", narrow)
    name = "null test: nothing against nothing"
    judged, *_ = measure([BY_NAME[name]], "", how)
    assert judged.passed is False
