"""What the kernel counted over all loadings of a program."""

from __future__ import annotations

import pytest

from ebpf_overhead.bpf.syscall import ProgInfo
from ebpf_overhead.measure.run_tally import RunTally


def test_loadings_add_up_and_what_was_before_each_does_not_count():
    tally = RunTally(ProgInfo(1, 1000, 2, 70_000))
    tally.end(ProgInfo(1, 1100, 3, 75_000))
    tally.begin(ProgInfo(2, 100, 0, 9_000))
    tally.end(ProgInfo(2, 300, 4, 24_000))
    assert (tally.loadings, tally.missed) == (2, 1 + 4)
    assert tally.run_time == pytest.approx((5_000 + 15_000) / (100 + 200))


def test_loading_that_was_replaced_unseen_counts_from_its_beginning():
    tally = RunTally(ProgInfo(1, 1000, 5, 70_000))
    tally.end(ProgInfo(2, 200, 1, 6_000))
    assert (tally.missed, tally.run_time) == (1, 30)


def test_nothing_counted_is_no_time():
    tally = RunTally(ProgInfo(1, 0, 0))
    tally.end(ProgInfo(1, 0, 0))
    assert (tally.missed, tally.run_time) == (0, None)


@pytest.mark.parametrize("prog_id", [1, 2])
def test_kernel_that_does_not_tell_missed_runs(prog_id):
    tally = RunTally(ProgInfo(1, 0, None))
    tally.end(ProgInfo(prog_id, 0, None))
    tally.begin(ProgInfo(3, 0, 0))
    tally.end(ProgInfo(3, 0, 0))
    assert tally.missed is None
