"""What the tests with real BPF share: the gate, the attach types, notes, leftovers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import gate
import leftovers
import pytest

from ebpf_overhead.errors import OverheadError
from ebpf_overhead.hooks import probe
from ebpf_overhead.hooks.cases import (
    ATTACH_TYPES,
    STANDARD_ATTACH_TYPES,
    STANDARD_PROGRAMS,
    Case,
    select,
)
from ebpf_overhead.measure import preflight
from ebpf_overhead.measure.caller_counter import CallerCounter, open_caller_counter
from ebpf_overhead.measure.sampling import choose_cpu
from ebpf_overhead.workload import _workload
from ebpf_overhead.workload.workloads import GETPID


@pytest.fixture(scope="session", autouse=True)
def _gate() -> None:
    """Skip or fail everything here, unless BPF can be used or must be."""
    obstacle = None
    wanted = os.environ.get(gate.VARIABLE)
    if wanted != "0":
        try:
            preflight.check()
        except OverheadError as error:
            obstacle = str(error)
    action, reason = gate.verdict(wanted, obstacle)
    if action == "skip":
        pytest.skip(reason)
    if action == "fail":
        pytest.fail(reason, pytrace=False)


@pytest.fixture(scope="session")
def support(_gate) -> dict[str, probe.Support]:
    """What trying says of every attach type."""
    return {name: probe.try_attach(name) for name in ATTACH_TYPES}


@pytest.fixture(params=STANDARD_ATTACH_TYPES)
def attach_type(request, support) -> str:
    """Every standard attach type that this kernel has; the others are skipped with the reason.

    The further ones are held and proven by the same code: test_attach_types.py has them.
    """
    here = support[request.param]
    if here.status != "available":
        pytest.skip(f"{here.status}: {here.reason}")
    return request.param


@pytest.fixture(params=STANDARD_PROGRAMS)
def case(request, attach_type) -> Case:
    """Every case that this kernel can measure."""
    (chosen,) = select([attach_type], [request.param])
    return chosen


@pytest.fixture(scope="session")
def some_attach_type(support) -> str:
    """An attach type for tests that need any."""
    available = [name for name in STANDARD_ATTACH_TYPES if support[name].status == "available"]
    if not available:
        gate.cannot_run("this kernel has none of the attach types")
    return available[-1]


@pytest.fixture(scope="session")
def call() -> Callable[[int], None]:
    """Call the target a number of times, in this thread."""
    cpu = choose_cpu()

    def call(calls: int) -> None:
        _workload.run("getpid", calls, cpu=cpu)

    return call


@pytest.fixture
def caller_counter() -> Iterator[CallerCounter]:
    caller_counter = open_caller_counter(GETPID)
    if caller_counter is None:
        gate.cannot_run(
            "this kernel has no caller counter (bpf_get_ns_current_pid_tgid, Linux 5.7)"
        )
    yield caller_counter
    caller_counter.close()


@pytest.fixture
def nothing_left() -> Callable[[], None]:
    """Assert that nothing of ours is in the kernel that was not there before the test."""
    if leftovers.bpftool() is None:
        gate.cannot_run("bpftool is not installed")
    return leftovers.Watch().check
