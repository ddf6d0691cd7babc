"""Counting hits on a simulated kernel: own runs, foreign runs, and readings disturbed."""

from __future__ import annotations

import itertools
import os
import random
from contextlib import contextmanager

import pytest

from ebpf_overhead.bpf.syscall import ProgInfo, ProgType
from ebpf_overhead.errors import FailedError
from ebpf_overhead.hooks.cases import select
from ebpf_overhead.measure import run_count_check
from ebpf_overhead.measure.caller_counter import Counters, open_caller_counter
from ebpf_overhead.measure.run_count_check import Hits, count_hits
from ebpf_overhead.programs.loaded import LoadedAs, LoadedProgram

(SYSTEM_WIDE,) = select(["tp_btf"], ["empty"])
(TARGET_ONLY,) = select(["kprobe"], ["empty"])
# Calls that are two system calls each.
(BOTH,) = select(["tp_btf"], ["empty"], ["openat_close"])
(FIRST_ONLY,) = select(["kprobe"], ["empty"], ["openat_close"])


class Kernel:
    """Counts runs as a kernel does, while others make system calls at any moment."""

    program = LoadedProgram(7, LoadedAs(ProgType.TRACEPOINT))

    def __init__(
        self, case, fires: float = 1.0, busy: float = 0.0, seed: int = 0, skips: float = 0.0
    ) -> None:
        self.case = case
        self.fires = fires
        self.skips = skips
        self.misses = self.unseen = 0
        self.busy = busy
        self.random = random.Random(seed)
        self.runs = 1_000_000
        self.seen = [0, 0, 0, 0]
        self.counting = self.watching = False

    def system_call(self, own: bool, target: bool, second: bool = False) -> None:
        if self.watching and self.unseen:
            self.unseen -= 1
        elif self.watching:
            self.seen[2 * (not own) + (not (target or (own and second)))] += 1
        if not (self.counting and (target or self.case.attach.system_wide)):
            return
        if self.skips and self.random.random() < self.skips:
            self.misses += 1
        else:
            self.runs += 1 if self.fires == 1 or self.random.random() < self.fires else 0

    def others(self) -> None:
        while self.random.random() < self.busy:
            self.system_call(own=False, target=self.random.random() < 0.5)

    # The target.
    def call(self, calls: int) -> None:
        for _ in range(calls):
            self.others()
            self.system_call(own=True, target=True)
            for _ in range(self.case.workload.entries(True) - 1):
                self.others()
                self.system_call(own=True, target=False, second=True)

    # bpf(2).
    def prog_info(self, prog_fd: int) -> ProgInfo:
        assert prog_fd == self.program.fd
        self.others()
        self.system_call(own=True, target=False)
        info = ProgInfo(1, self.runs, self.misses)
        self.others()
        return info

    def enable_stats(self) -> int:
        self.counting = True
        return os.open(os.devnull, os.O_RDONLY)

    # The caller_counter.
    def read(self) -> Counters:
        self.others()
        return Counters(*self.seen)

    def skipped(self) -> int:
        return 0

    @contextmanager
    def attached(self):
        self.watching = True
        yield self
        self.watching = False


@pytest.fixture
def kernel(monkeypatch):
    def kernel(*arguments, **options) -> Kernel:
        made = Kernel(*arguments, **options)
        monkeypatch.setattr(run_count_check.syscall, "prog_info", made.prog_info)
        monkeypatch.setattr(run_count_check.syscall, "enable_stats", made.enable_stats)
        return made

    return kernel


@pytest.mark.parametrize("case", [SYSTEM_WIDE, TARGET_ONLY])
def test_quiet_machine(kernel, case):
    made = kernel(case)
    assert count_hits(made, 500, made.call, made) == Hits(500, 500, 0, 0)
    assert not made.watching


@pytest.mark.parametrize("case", [SYSTEM_WIDE, TARGET_ONLY])
@pytest.mark.parametrize("busy", [0.05, 0.4])
def test_runs_of_others_are_told_apart(kernel, case, busy):
    for seed in range(20):
        made = kernel(case, busy=busy, seed=seed)
        hits = count_hits(made, 500, made.call, made)
        assert hits.hits == 500
        assert hits.foreign_hits is not None
        assert hits.foreign_hits > 0
        hits.check("case")


@pytest.mark.parametrize("case", [SYSTEM_WIDE, TARGET_ONLY])
@pytest.mark.parametrize("busy", [0.0, 0.3])
def test_runs_that_the_kernel_skipped_are_no_calls_without_a_run(kernel, case, busy):
    made = kernel(case, busy=busy, skips=0.05)
    hits = count_hits(made, 500, made.call, made)
    assert hits.hits < 500
    assert (hits.hits + hits.skipped, hits.slack) == (500, 0)
    hits.check("case")


def test_calls_without_a_run_are_found_out_among_those_that_were_skipped(kernel):
    made = kernel(TARGET_ONLY, fires=0.9, skips=0.05)
    with pytest.raises(FailedError, match=r"did not fire .*: \d+ hits for 500 calls, \d+ skipped"):
        count_hits(made, 500, made.call, made).check("case")


def test_calls_that_the_caller_counter_skipped_are_uncertain(kernel):
    """They may have been other tasks', whose runs are then taken for the workload's."""
    made = kernel(SYSTEM_WIDE)

    def call(calls: int) -> None:
        made.unseen = 3
        for _ in range(3):
            made.system_call(own=False, target=True)
        made.call(calls)

    so_far = itertools.count(10, 3)
    made.skipped = lambda: next(so_far)
    hits = count_hits(made, 500, call, made)
    assert (hits.hits, hits.foreign_hits, hits.slack) == (503, 0, 3)
    hits.check("case")


def test_without_a_caller_counter_skipped_runs_are_the_calls_at_most(kernel):
    made = kernel(SYSTEM_WIDE, busy=0.3, skips=0.2)
    hits = count_hits(made, 500, made.call, None)
    assert hits.hits + hits.skipped == 500


class CaughtBetween(Kernel):
    """Another CPU's call that the program has seen, and the caller counter has not yet."""

    passes = 1

    def prog_info(self, prog_fd: int) -> ProgInfo:
        info = super().prog_info(prog_fd)
        self.readings = getattr(self, "readings", 0) + 1
        if self.readings % 2 == 0 and self.readings <= 2 * self.passes:
            return ProgInfo(1, info.run_count + 1, 0)
        return info


@pytest.mark.parametrize("case", [SYSTEM_WIDE, TARGET_ONLY])
def test_call_caught_between_program_and_caller_counter_is_counted_again(kernel, case, monkeypatch):
    made = CaughtBetween(case)
    kernel(case)  # what is counted, and by what
    for name in ("prog_info", "enable_stats"):
        monkeypatch.setattr(run_count_check.syscall, name, getattr(made, name))
    assert count_hits(made, 500, made.call, made) == Hits(500, 500, 0, 0)
    assert made.readings == 4


def test_program_that_always_runs_once_too_often_is_found_out(kernel, monkeypatch):
    made = CaughtBetween(TARGET_ONLY)
    made.passes = 100
    kernel(TARGET_ONLY)
    for name in ("prog_info", "enable_stats"):
        monkeypatch.setattr(run_count_check.syscall, name, getattr(made, name))
    with pytest.raises(FailedError, match="501 hits for 500 calls"):
        count_hits(made, 500, made.call, made).check("case")


@pytest.mark.parametrize(("case", "runs"), [(BOTH, 2), (FIRST_ONLY, 1)])
@pytest.mark.parametrize("busy", [0.0, 0.3])
def test_both_system_calls_of_a_call_count_where_the_hook_serves_both(kernel, case, runs, busy):
    made = kernel(case, busy=busy)
    hits = count_hits(made, 500, made.call, made)
    assert (hits.hits, hits.slack, hits.runs_per_call) == (500 * runs, 0, runs)
    hits.check("case")
    assert count_hits(made, 500, made.call, None).expected == 500 * runs


def test_one_run_for_two_system_calls_is_found_out(kernel):
    """As if a hook of all system calls had missed every close."""
    made = kernel(BOTH)
    made.system_call = lambda own, target, second=False: (
        None if second else Kernel.system_call(made, own, target)
    )
    with pytest.raises(FailedError, match="did not fire twice a call: 500 hits for 500 calls"):
        count_hits(made, 500, made.call, made).check("case")


@pytest.mark.parametrize("case", [SYSTEM_WIDE, TARGET_ONLY])
@pytest.mark.parametrize("busy", [0.0, 0.3])
@pytest.mark.parametrize("fires", [0.0, 0.9])
def test_program_that_misses_calls_is_found_out(kernel, case, busy, fires):
    made = kernel(case, fires=fires, busy=busy)
    with pytest.raises(
        FailedError, match=r"(did not fire once a call|never fired): \d+ hits for 500 calls"
    ):
        count_hits(made, 500, made.call, made).check("case")


def test_without_a_caller_counter_all_runs_are_own(kernel):
    made = kernel(TARGET_ONLY)
    assert count_hits(made, 500, made.call, None) == Hits(500, 500, None)


class SharedFunction(Kernel):
    """A function that other code of the process calls, too: seven times around the calls."""

    def call(self, calls: int) -> None:
        super().call(calls)
        self.runs += 7


def test_calls_of_other_code_of_the_process_are_told_apart(kernel, monkeypatch):
    (case,) = select(["uprobe"], ["empty"], ["malloc_free"])
    kernel(case)
    for fires, hits in [(1, 500), (0, 0)]:
        made = SharedFunction(case, fires=fires)
        for name in ("prog_info", "enable_stats"):
            monkeypatch.setattr(run_count_check.syscall, name, getattr(made, name))
        assert count_hits(made, 500, made.call, None) == Hits(500, hits, 7)


@pytest.mark.parametrize(("fires", "ran"), [(1, True), (0.5, False), (0, False)])
def test_without_a_caller_counter_a_hook_for_everybody_ran_once_a_call_at_least(kernel, fires, ran):
    made = kernel(SYSTEM_WIDE, fires=fires, busy=0.1)
    hits = count_hits(made, 500, made.call, None)
    assert hits.foreign_hits is None
    assert (hits.hits == 500) is ran


def test_statistics_are_switched_off_again(kernel, monkeypatch):
    made = kernel(TARGET_ONLY)
    opened = []
    monkeypatch.setattr(
        run_count_check.syscall,
        "enable_stats",
        lambda: opened.append(made.enable_stats()) or opened[-1],
    )

    def interrupt(calls: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        count_hits(made, 500, interrupt, made)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(opened[0])


@pytest.mark.parametrize(
    ("hits", "fires"),
    [
        (Hits(1000, 1000, 0), True),
        (Hits(1000, 999, 0), False),
        (Hits(1000, 1001, 0), False),
        (Hits(1000, 0, 50_000), False),
        (Hits(1000, 997, 50_000, slack=3), True),
        (Hits(1000, 996, 50_000, slack=3), False),
        (Hits(500, 1000, 0, runs_per_call=2), True),
        (Hits(1000, 990, 0, skipped=10), True),
        (Hits(1000, 990, 0, skipped=9), False),
    ],
)
def test_check(hits, fires):
    if fires:
        hits.check("getpid/tp_btf/empty")
    else:
        said = "did not fire once a call" if hits.hits else "never fired"
        words = f"getpid/tp_btf/empty {said}: {hits.hits} hits for 1000 calls"
        with pytest.raises(FailedError, match=words):
            hits.check("getpid/tp_btf/empty")


def test_passes_add_up():
    assert Hits(10, 9, 8, 7) + Hits(1, 2, 3, 4) == Hits(11, 11, 11, 11)
    assert (Hits(1, 2, 0, 0, 2) + Hits(1, 2, 0, 0, 2)).expected == 4
    assert Hits(10, 9, None) + Hits(1, 2, 3) == Hits(11, 11, None)
    assert (Hits(10, 9, 0, skipped=1) + Hits(1, 0, 0, skipped=1)).skipped == 2


def test_what_is_foreign_to_a_hook():
    seen = Counters(own_target=1, own_other=10, foreign_target=100, foreign_other=1000)
    assert seen.foreign(system_wide=True) == 1100
    assert seen.foreign(system_wide=False) == 100


(SESSION,) = select(["kprobe_session"], ["empty"])
(FUNCTION, *_) = select(["uprobe"], ["empty"])


def test_session_runs_twice_a_call():
    Hits(1000, 2000, 0, runs_per_call=2).check("case")
    words = "case did not fire twice a call: 1000 hits for 1000 calls"
    with pytest.raises(FailedError, match=words):
        Hits(1000, 1000, 0, runs_per_call=2).check("case")


def test_function_of_this_process_has_no_caller_counter_and_no_foreign_hits(kernel):
    assert open_caller_counter(FUNCTION.workload) is None
    made = kernel(FUNCTION)
    assert count_hits(made, 500, made.call, None) == Hits(500, 500, 0)
