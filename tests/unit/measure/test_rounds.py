"""Rounds of runs on hooks made up."""

from __future__ import annotations

import pytest

from ebpf_overhead.errors import FailedError, RefusedError
from ebpf_overhead.measure.rounds import ROUNDS_MIN, Rounds


class Machine:
    """A run takes 100, and what each attached hook adds; later ones take longer."""

    def __init__(self, *adds: float) -> None:
        self.adds = adds
        self.attached: set[int] = set()
        self.order: list[tuple[int, ...]] = []
        self.switches = [lambda on, hook=hook: self.switch(hook, on) for hook in range(len(adds))]

    def switch(self, hook: int, on: bool) -> None:
        (self.attached.add if on else self.attached.remove)(hook)

    def run(self) -> float:
        assert len(self.attached) <= 1
        self.order.append(tuple(self.attached))
        drift = 10 * ((len(self.order) - 1) // (1 + len(self.adds)))
        return 100 + drift + sum(self.adds[hook] for hook in self.attached)


def test_drift_between_rounds_is_in_no_difference():
    machine = Machine(5, -3)
    rounds = Rounds(machine.run, machine.switches, seed=1)
    rounds.run(1e-9)
    assert len(rounds.baseline) == ROUNDS_MIN
    for hook, adds in enumerate(machine.adds):
        found = rounds.added(hook, float)
        assert found.low == found.estimate == found.high == adds
    assert not machine.attached


def test_order_is_random_and_every_round_has_each_once():
    machine = Machine(1, 2)
    Rounds(machine.run, machine.switches, seed=3).run(1e-9)
    rounds = [tuple(machine.order[at : at + 3]) for at in range(0, len(machine.order), 3)]
    assert all(sorted(each) == [(), (0,), (1,)] for each in rounds)
    assert len(set(rounds)) > 1


def test_it_ends_when_all_are_precise():
    machine = Machine(1, 2)
    rounds = Rounds(machine.run, machine.switches)
    asked: list[int] = []

    def precise(hook: int) -> bool:
        asked.append(hook)
        return len(rounds.baseline) >= 15

    rounds.run(3600, precise)
    assert len(rounds.baseline) == 15
    assert set(asked) == {0, 1}


def test_hook_that_cannot_be_attached_any_more_takes_no_part():
    machine = Machine(1, 2)
    refused = RefusedError("EPERM")

    def refuse(on: bool) -> None:
        if len(rounds.baseline) == 4:
            raise refused
        machine.switch(0, on)

    rounds = Rounds(machine.run, [refuse, machine.switches[1]])
    rounds.run(1e-9)
    assert rounds.failures == {0: refused}
    assert rounds.added(1, float).estimate == 2
    assert len(rounds.baseline) == ROUNDS_MIN


def test_nothing_stays_attached_and_no_half_round_is_kept_when_a_run_fails():
    machine = Machine(1)

    def run() -> float:
        if len(machine.order) >= 7 and machine.attached:
            raise FailedError("it failed")
        return machine.run()

    rounds = Rounds(run, machine.switches, seed=1)
    with pytest.raises(FailedError):
        rounds.run(3600)
    assert not machine.attached
    assert len(rounds.baseline) == len(rounds.probed(0))


def test_without_hooks_that_work_there_is_nothing_to_do():
    rounds = Rounds(lambda: 1.0, [])
    rounds.run(3600)
    assert rounds.baseline == []
