"""Samplers that take turns: what becomes of the others when one fails."""

from __future__ import annotations

import pytest

from ebpf_overhead.errors import FailedError
from ebpf_overhead.measure.sampler import Sampler
from ebpf_overhead.measure.sampling import HalfBlock, Precision
from ebpf_overhead.measure.turns import Turns


class Machine:
    """Calls take longer by each hook that is attached."""

    def __init__(self) -> None:
        self.attached: set[str] = set()

    def sampler(self, name: str, fails: bool = False) -> Sampler:
        def switch(on: bool) -> None:
            (self.attached.add if on else self.attached.discard)(name)
            if on and fails:
                raise FailedError(f"{name} never fired")

        return Sampler("getpid", switch, cpu=0, run=self.run, half_block=HalfBlock(100, 2))

    def run(self, target, calls, windows=1, cpu=None):
        each = 100 * calls + 50 * calls * len(self.attached)
        return [each] * windows, calls * windows


def test_one_that_fails_when_it_is_attached_is_in_nobody_elses_windows():
    machine = Machine()
    bad, good = machine.sampler("bad", fails=True), machine.sampler("good")
    turns = Turns([bad, good], Precision(0.5))
    turns.run(60)
    with pytest.raises(FailedError, match="bad never fired"):
        turns.result(bad)
    found = turns.result(good)
    assert set(found.samples.baseline) == {100.0}
    assert set(found.samples.probed) == {150.0}
    assert machine.attached == set()
