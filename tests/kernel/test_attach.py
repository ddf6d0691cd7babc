"""Attaching on the running kernel: what is attached runs, what is detached does not."""

from __future__ import annotations

import os

import pytest
from processes import open_descriptors

from ebpf_overhead.bpf import syscall
from ebpf_overhead.errors import OverheadError, status_of
from ebpf_overhead.hooks import probe as attach
from ebpf_overhead.hooks.cases import ATTACH_TYPES, select
from ebpf_overhead.measure.run_count_check import count_hits

CALLS = 1_000


def runs(probe: attach.Probe, call) -> int:
    """How often a program runs while the target is called, whoever causes it."""
    stats = syscall.enable_stats()
    try:
        before = probe.program.info().run_count
        call(CALLS)
        return probe.program.info().run_count - before
    finally:
        os.close(stats)


@pytest.mark.parametrize("name", ATTACH_TYPES)
def test_every_attach_type_is_available_or_says_why_not(support, name):
    here = support[name]
    assert here.status in {"available", "unsupported", "refused"}, here.reason
    if here.status == "available":
        assert here.hook
        assert here.reason is None
    else:
        assert here.reason
        assert "\n" not in here.reason
        assert here.hook is None


@pytest.mark.parametrize("name", ATTACH_TYPES)
def test_what_trying_says_is_what_loading_says(support, name):
    case = select([name], ["complex"])[0]
    try:
        attach.load(case).close()
        said = ("available", None)
    except OverheadError as error:
        said = (status_of(error), error.what)
    assert said == (support[name].status, support[name].reason)


def test_some_attach_type_is_available(some_attach_type):
    assert some_attach_type in ATTACH_TYPES


def test_attached_program_runs_once_a_call_and_detached_never(case, call, caller_counter):
    with attach.load(case) as probe:
        assert not probe.attached
        assert runs(probe, call) == 0, "loaded only"
        for _ in range(2):
            probe.attach()
            assert probe.attached
            hits = count_hits(probe, CALLS, call, caller_counter)
            assert (hits.calls, hits.hits) == (CALLS, CALLS)
            probe.detach()
            assert not probe.attached
            assert runs(probe, call) == 0, "detached"


def test_attaching_twice_is_attaching_once(case, call, caller_counter):
    with attach.load(case) as probe:
        probe.attach()
        probe.attach()
        assert count_hits(probe, CALLS, call, caller_counter).hits == CALLS
        probe.detach()
        probe.detach()
        assert runs(probe, call) == 0


def test_closed_probe_is_detached_and_unloaded(attach_type, nothing_left):
    (case,) = select([attach_type], ["complex"])
    probe = attach.load(case)
    probe.attach()
    probe.close()
    probe.close()
    assert not probe.attached
    nothing_left()


def test_exception_detaches_and_unloads(attach_type, nothing_left):
    (case,) = select([attach_type], ["complex"])

    def fail() -> None:
        with attach.load(case) as probe:
            probe.attach()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    nothing_left()


def test_descriptors_do_not_pile_up(attach_type):
    (case,) = select([attach_type], ["simple"])
    attach.load(case).close()  # what is opened once and kept, like the root of tracefs
    before = open_descriptors()
    for _ in range(4):
        with attach.load(case) as probe:
            for _ in range(2):
                probe.attach()
                probe.detach()
    assert open_descriptors() == before


def test_descriptors_are_not_inherited(case):
    """A child would keep the program attached after its parent was killed."""
    with attach.load(case) as probe:
        probe.attach()
        assert probe._hook_fd is not None
        assert not os.get_inheritable(probe._hook_fd)
        assert not os.get_inheritable(probe.program.fd)


def test_two_probes_at_once_both_run(attach_type, call, caller_counter):
    cases = select([attach_type], ["empty", "simple"])
    with attach.load(cases[0]) as first, attach.load(cases[1]) as second:
        first.attach()
        second.attach()
        assert count_hits(first, CALLS, call, caller_counter).hits == CALLS
        assert count_hits(second, CALLS, call, caller_counter).hits == CALLS
        first.detach()
        assert runs(first, call) == 0
        assert count_hits(second, CALLS, call, caller_counter).hits == CALLS
