"""Whether anything remains of probes that are gone: in the kernel, and in the time of a call."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress

from ebpf_overhead.bpf import objects
from ebpf_overhead.bpf.syscall import BpfCommand
from ebpf_overhead.errors import OverheadError
from ebpf_overhead.hooks.attach_types import STANDARD_ATTACH_TYPES
from ebpf_overhead.measure.sampling import calibrate
from ebpf_overhead.studies.selfcheck import additional
from ebpf_overhead.studies.selfcheck.comparing import Comparing, Progress, difference_of, windows
from ebpf_overhead.studies.selfcheck.judging import EXACT, Check, the_same
from ebpf_overhead.workload import _workload, clock
from ebpf_overhead.workload.workloads import GETPID

_PART = "after detach"
_ROUNDS = 20
# The kernel frees a program some time after its last descriptor is closed.
_FREED_S = 2.0


def nothing_remains(how: Comparing, attach: str, progress: Progress) -> Iterator[Check]:
    """Attach every attach type that is here, detach it, and look for what remains."""
    calls = calibrate(GETPID.name, how.cpu)
    loaded = set()
    before = windows(calls, how.cpu, _ROUNDS)
    for name in dict.fromkeys((attach, *STANDARD_ATTACH_TYPES)):
        # What is not here cannot leave anything.
        with suppress(OverheadError), additional.running(name, how.cpu) as probe:
            loaded.add(probe.program.info().prog_id)
    left = _left(loaded)
    after = windows(calls, how.cpu, _ROUNDS)
    yield Check(
        *(_PART, "programs that remain", "programs"),
        seen=left,
        expected=0,
        low=0,
        high=0,
    )
    # In time the difference has whatever else changed on the machine in the meantime.
    unit = clock.current().unit
    exact = unit == "instructions"
    yield Check(
        *(_PART, "a call, after all against before", unit),
        seen=difference_of(after, before).estimate,
        expected=0,
        low=-EXACT if exact else None,
        high=EXACT if exact else None,
    )
    with additional.running(attach, how.cpu) as probe:

        def come_and_go(wanted: bool) -> None:
            if wanted:
                probe.switch(True)
                _workload.run(GETPID.name, 1, cpu=how.cpu)
                probe.switch(False)

        found = how.compare(10, come_and_go, progress)
    what = "a call just after a probe against one later"
    yield from the_same(_PART, what, [each.overhead for each in found], unit)


def _left(loaded: set[int]) -> int:
    """Return how many of some programs remain when the kernel has had time to free them.

    It frees a program when nothing holds it: no descriptor, and no hook.
    """
    end = time.monotonic() + _FREED_S
    while True:
        left = loaded.intersection(objects.ids(BpfCommand.PROG_GET_NEXT_ID))
        if not left or time.monotonic() > end:
            return len(left)
        time.sleep(0.05)
