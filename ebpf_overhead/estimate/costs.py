"""What one event of a probe costs on this kernel: stored, or measured now."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ebpf_overhead import _workload
from ebpf_overhead.attach_types import STANDARD_TARGETS
from ebpf_overhead.bystander import in_this_thread
from ebpf_overhead.cases import ATTACH_TYPES, GETPID, TARGETS, Case, select
from ebpf_overhead.catalogue import programs_named
from ebpf_overhead.errors import BadUseError, OverheadError
from ebpf_overhead.estimate.counting import attach_counter
from ebpf_overhead.estimate.places import SERVED_BY, Place
from ebpf_overhead.measure import Options, measure_case, measure_cases
from ebpf_overhead.paired import paired_difference
from ebpf_overhead.programs import compile_source
from ebpf_overhead.proof import open_witness
from ebpf_overhead.stats import Interval
from ebpf_overhead.stored import Store
from ebpf_overhead.tracers import source
from ebpf_overhead.tracers.filters import Filters
from ebpf_overhead.tracers.hooks import Hook, Point
from ebpf_overhead.tracers.symbols import in_btf

_TIME_S = 1.5
# Attach types that find a function by its BTF id.
_BY_BTF = ("fentry", "fexit")
_AT_RETURN = ("fexit", "kretprobe", "kretprobe_multi", "uretprobe", "uretprobe_multi")


@dataclass(frozen=True)
class Cost:
    """What one run of a probe costs, or why that is not known.

    Attributes
    ----------
    attach, program : str
        The probe.
    overhead : Interval or None
        ns (or instructions) an event.
    origin : str
        ``measured now``, ``stored DATE``, or the file it comes from.
    status, reason : str, str or None
        As in a record of ``measure``, where there is no overhead.
    """

    attach: str
    program: str
    overhead: Interval | None
    origin: str
    status: str = "measured"
    reason: str | None = None


class Costs:
    """Costs of probes on this kernel.

    Parameters
    ----------
    store : Store
        What was measured before; gets what is measured now.
    results : Path, optional
        A record of ``measure --format json`` to take them from instead.
    say : callable, optional
        Told in a line what is being measured.
    progress : callable, optional
        Told which share of that is done, 0..1.
    """

    def __init__(
        self,
        store: Store,
        results: Path | None = None,
        say: Callable[[str], None] = lambda line: None,
        progress: Callable[[float], None] = lambda share: None,
    ) -> None:
        self._store = store
        self._say = say
        self._progress = progress
        self._given = {} if results is None else _read_results(results)

    def of(self, attach: str, program: str) -> Cost:
        """Return the cost of a probe, measuring it first if need be."""
        given = self._given.get((attach, program))
        if given is not None:
            return given
        key = f"overhead/{attach}/{_identity(program)}"
        found = self._store.find(key)
        if found is not None:
            date = time.strftime("%Y-%m-%d", time.localtime(found.measured_at))
            return Cost(attach, program, found.interval, f"stored {date}")
        self._say(f"Measuring what {attach} with {program} costs here")
        (result,) = measure_cases(
            [_case(attach, program)],
            Options(time_s=_TIME_S),
            lambda case, share: self._progress(share),
        )
        if result.measurement is None:
            return Cost(attach, program, None, "measured now", result.status, result.reason)
        overhead = result.measurement.overhead
        self._store.put({key: overhead})
        return Cost(attach, program, overhead, "measured now")

    def of_counting(self, attach: str, filters: Filters) -> Interval | None:
        """Return what the counting itself costs an event; None where it cannot be measured."""
        key = "/".join(["count", attach, *filters.kinds])
        found = self._store.get(key)
        if found is None:
            self._say(f"Measuring what counting by {attach} costs here")
            try:
                found = _measure_counting(attach)
            except OverheadError:
                return None
            self._store.put({key: found})
        return found

    def of_bystanders(self, attach: str, program: str) -> Interval | None:
        """Return what every *other* system call pays for a probe on one of them.

        None where the hook concerns nobody else, or it cannot be measured.
        """
        if ATTACH_TYPES[attach].system_wide:
            return self.of(attach, program).overhead
        if attach not in ("tracepoint", "tracepoint_exit"):
            return None
        key = f"bystander/{attach}"
        found = self._store.get(key)
        if found is None:
            self._say(f"Measuring what a {attach} costs the other system calls")
            found = _measure_bystander(_case(attach, "empty"))
            if found is not None:
                self._store.put({key: found})
        return found


def _measure_counting(attach: str) -> Interval:
    compiled = compile_source("count", source("count"), [f"WANTED_PID={os.getpid()}"], ["count"])
    place, target = Place("syscall", GETPID.name), GETPID.name
    if attach == "uprobe":
        path, symbol, _ = _workload.target_symbol()
        place, target = Place("user", f"{path}:{symbol}"), "function"
    points = [point for point in place.counting_points() if point.attach == attach]
    if attach == "raw_tracepoint":
        points = [Point(attach, "sys_enter")]
    held: list[Hook] = []

    def switch(on: bool) -> None:
        if on:
            held.append(attach_counter(compiled, points, 0))
        else:
            held.pop().close()

    return paired_difference(target, switch, _TIME_S)


def _measure_bystander(case: Case) -> Interval | None:
    witness = open_witness(case.target, case.attach.at_exit)
    try:
        result = measure_case(case, Options(time_s=_TIME_S), witness, caller=in_this_thread())
    finally:
        if witness is not None:
            witness.close()
    return None if result.measurement is None else result.measurement.overhead


def _read_results(path: Path) -> dict[tuple[str, str], Cost]:
    try:
        record = json.loads(path.read_text())
        release = record["machine"]["kernel"]["release"]
        cases = record["cases"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadUseError(
            f"{path} is no record of ebpf-overhead measure: {error}",
            "make one with measure --format json -o FILE",
        ) from error
    if release != os.uname().release:
        raise BadUseError(
            f"{path} is of kernel {release}, this is {os.uname().release}",
            "measure on the kernel that is running",
        )
    return {
        (case["attach"], case["program"]): Cost(
            case["attach"], case["program"], Interval(**case["overhead"]), str(path)
        )
        for case in cases
        if case["status"] == "measured"
    }


def _case(attach: str, program: str) -> Case:
    """Return the case that an attach type is priced by: its kind's cheapest target."""
    kind = ATTACH_TYPES[attach].targets
    target = next(name for name in STANDARD_TARGETS if TARGETS[name].kind == kind)
    (case,) = select([attach], [program], [target])
    return case


def _identity(program: str) -> str:
    """Return what a stored value belongs to: a program of the user's own may change."""
    chosen, *others = programs_named([program])
    if others:
        raise BadUseError(f"{program!r} names {1 + len(others)} programs", "choose one")
    if chosen.source is None:
        return chosen.name
    digest = hashlib.sha256(chosen.source.read_bytes()).hexdigest()
    return f"{chosen.name}@{digest[:16]}"


def attach_types_for(place: Place) -> list[str]:
    """Return the attach types that can serve a place and whose cost can be measured."""
    names = [name for name in SERVED_BY[place.kind] if name in ATTACH_TYPES]
    if place.kind == "function" and not in_btf(place.name):
        return [name for name in names if name not in _BY_BTF]
    return names


def comparable(attach: str, other: str) -> bool:
    """Whether two attach types see the same moment: the entry, the return, or both."""
    return _moment(attach) == _moment(other)


def _moment(attach: str) -> str:
    if ATTACH_TYPES[attach].runs_per_call > 1:
        return "both"
    return "return" if attach in _AT_RETURN or attach.endswith("_exit") else "entry"
