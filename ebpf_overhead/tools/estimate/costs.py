"""The cost per event of a probe on this kernel: stored, or measured now."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ebpf_overhead.bpf.helpers import HELPERS
from ebpf_overhead.errors import BadUseError, OverheadError
from ebpf_overhead.hooks.attach_type import FUNCTION, USER, AttachType
from ebpf_overhead.hooks.cases import ATTACH_TYPES, GROUPS, Case, select
from ebpf_overhead.hooks.elf import has_go_code
from ebpf_overhead.hooks.first_instruction import (
    NOP,
    NOP5,
    NOP10,
    OTHER_NOP,
    PUSH,
    STEPPED,
    FirstInstruction,
)
from ebpf_overhead.hooks.hook import Hook, Site
from ebpf_overhead.hooks.sections import placed
from ebpf_overhead.hooks.symbols import in_btf, user_point
from ebpf_overhead.measure.bystander import BYSTANDERS
from ebpf_overhead.measure.cost_cache import Store
from ebpf_overhead.measure.paired import paired_difference
from ebpf_overhead.measure.result import Result, Sampling
from ebpf_overhead.measure.run import measure_case, measure_cases
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.programs.catalogue import Program, is_file, programs_named
from ebpf_overhead.programs.object_program import made
from ebpf_overhead.tools.estimate.counting import attach_counter, compiled_counter
from ebpf_overhead.tools.estimate.event_cost import EventCost, GivenCosts, read_results
from ebpf_overhead.tools.estimate.places import Place, serving
from ebpf_overhead.tools.tracers.filters import Filters
from ebpf_overhead.workload.workloads import STANDARD_WORKLOADS, WORKLOADS, Workload

_TIME_S = 1.5
NOW = "measured now"
WITH_STATISTICS = "while the kernel's run statistics were on, so not stored"
_OTHER_FUNCTIONS = {each.workload for each in (PUSH, NOP5, NOP10, STEPPED)}
# The difference between an emulated and a single-stepped instruction is a fifth at least.
_AS_EXPENSIVE = 0.9
# A program whose cost compares with that of counting.
_COUNTER_LIKE = "simple"


class Costs:
    """Costs of probes on this kernel.

    Parameters
    ----------
    store : Store
        Earlier measurements; new ones are added.
    results : Path, optional
        A record of ``measure --format json`` with the costs to use instead.
    say : callable, optional
        Called with one line on what is being measured.
    progress : callable, optional
        Called with the share that is done, 0..1.
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
        self._given: GivenCosts = {} if results is None else read_results(results)

    def of(self, attach: str, program: str, first: FirstInstruction | None = None) -> EventCost:
        """Return the cost of a probe, and measure it first if necessary.

        Parameters
        ----------
        attach, program : str
            The probe.
        first : FirstInstruction, optional
            What it replaces, if it is a uprobe.
        """
        workload = self.workload(attach, program, first)
        found = self._given.get((attach, program, workload)) or (
            None if first else self._given.get((attach, program, None))
        )
        cost = found or self._on(workload, attach, program)
        return replace(cost, instruction=None if first is None else first.name)

    def is_given(self, cost: EventCost) -> bool:
        """Whether a cost is of the record that was given."""
        return cost.origin in {each.origin for each in self._given.values()}

    def workload(self, attach: str, program: str, first: FirstInstruction | None) -> str:
        """Return the workload on which the probe costs as much."""
        if first is None:
            return _workload_of(ATTACH_TYPES[attach]).name
        if first is not OTHER_NOP:
            return first.workload
        # A kernel emulates nops of all lengths, or only that of one byte.
        five, stepped = (self.of(attach, program, each).overhead for each in (NOP5, STEPPED))
        emulated = five and stepped and five.estimate < _AS_EXPENSIVE * stepped.estimate
        return NOP.workload if emulated else STEPPED.workload

    def _on(self, workload: str, attach: str, program: str) -> EventCost:
        key = "/".join(["overhead", attach, _identity(program), *_named(workload)])
        found = self._store.find(key)
        if found is not None:
            date = time.strftime("%Y-%m-%d", time.localtime(found.measured_at))
            return EventCost(attach, program, found.interval, f"stored {date}")
        self._say(f"Measuring the cost of {attach} with {program} here")
        (case,) = select([attach], [program], [workload])
        (result,) = measure_cases(
            [case], Sampling(time_s=_TIME_S), lambda case, share: self._progress(share)
        )
        if result.measurement is None:
            return EventCost(attach, program, None, NOW, result.status, result.reason)
        overhead = result.measurement.overhead
        if not self._is_lasting(result):
            return EventCost(attach, program, overhead, NOW)
        plain = self._store.put({key: overhead})
        return EventCost(attach, program, overhead, NOW if plain else f"{NOW}, {WITH_STATISTICS}")

    def _is_lasting(self, result: Result) -> bool:
        """Whether a result is this machine's cost; say so where it is not."""
        names = ", ".join(map(str, result.changed))
        if names:
            self._say(f"Hooks of others came or went while this was measured, not stored: {names}")
        return not names

    def of_counting(
        self, attach: str, filters: Filters, first: FirstInstruction | None = None
    ) -> Interval | None:
        """Return the cost per event of counting; None where it cannot be measured."""
        workload = self.workload(attach, _COUNTER_LIKE, first)
        key = "/".join(["count", attach, *filters.kinds, *_named(workload)])
        found = self._store.get(key)
        if found is None:
            self._say(f"Measuring the cost of counting by {attach} here")
            try:
                found = _measure_counting(attach, workload)
            except OverheadError:
                return None
            self._store.put({key: found})
        return found

    def of_bystanders(self, attach: str, program: str) -> Interval | None:
        """Return the cost to every *other* system call of a probe on one of them.

        None where the hook affects no other call, or the cost cannot be measured.
        """
        if ATTACH_TYPES[attach].system_wide:
            return self.of(attach, program).overhead
        if not slows_other_calls(attach):
            return None
        key = f"bystander/{attach}"
        found = self._store.get(key)
        if found is None:
            self._say(f"Measuring the cost of a {attach} to other system calls")
            (case,) = select([attach], ["empty"], [_workload_of(ATTACH_TYPES[attach]).name])
            result = _measure_bystander(case)
            found = None if result.measurement is None else result.measurement.overhead
            if found is not None and self._is_lasting(result):
                self._store.put({key: found})
        return found


def _named(workload: str) -> list[str]:
    """Return what the name of a stored value has of a workload: nothing for the usual ones."""
    return [workload] if workload in _OTHER_FUNCTIONS else []


def _measure_counting(attach: str, name: str) -> Interval:
    compiled = compiled_counter(Filters(pid=os.getpid()), 1)
    row, workload = ATTACH_TYPES[attach], WORKLOADS[name]
    # The hook does not limit counting to a process.
    sites = [Site(row, replace(point, pid=None)) for point in row.points(workload)]
    held: list[Hook] = []

    def switch(on: bool) -> None:
        if on:
            held.append(attach_counter(compiled, sites, 0))
        while held and not on:
            held.pop().close()

    return paired_difference(workload.name, switch, _TIME_S)


def _measure_bystander(case: Case) -> Result:
    seen = replace(case, caller=BYSTANDERS[0])
    return measure_case(seen, Sampling(time_s=_TIME_S))


def workload_for(attach: AttachType, first: FirstInstruction | None) -> str:
    """Return the workload to measure an attach type on, where no other can be tried.

    Parameters
    ----------
    attach : AttachType
        The attach type.
    first : FirstInstruction or None
        What it replaces, if it is a uprobe.
    """
    return _workload_of(attach).name if first is None else first.workload or NOP5.workload


def _workload_of(attach: AttachType) -> Workload:
    """Return the cheapest workload of an attach type."""
    standard = (WORKLOADS[name] for name in STANDARD_WORKLOADS)
    return next(each for each in standard if each.kind == attach.workload_kind)


def one_program(named: str) -> Program:
    """Return the program that is named: an estimate is of one.

    Raises
    ------
    BadUseError
        It is a group, or a file with several.
    """
    chosen, *others = programs_named([named])
    if others:
        raise BadUseError(
            f"{named!r} names {1 + len(others)} programs, and an estimate is of one",
            f"measure --program {named} shows what each costs, and all together"
            if is_file(named)
            else "choose one",
        )
    return chosen


def own_attach_type(named: str) -> str | None:
    """Return the attach type that the section of a program of one's own says; None without one."""
    section = one_program(named).section if is_file(named) else ""
    if not section:
        return None
    name = placed(section).attach.name
    return name if name in ATTACH_TYPES else None


def _identity(program: str) -> str:
    """Return the identity of a program in the store; a user's own program may change."""
    chosen = one_program(program)
    if chosen.source is None:
        return chosen.name
    digest = hashlib.sha256(chosen.source.read_bytes()).hexdigest()
    return f"{chosen.name}@{digest[:16]}"


def attach_types_for(place: Place) -> list[str]:
    """Return the attach types for an attach point whose cost can be measured."""
    found = serving(place.kind)
    if place.kind == USER and has_go_code(str(user_point(place.name).path)):
        found = [each for each in found if each.moment == "entry"]
    if place.kind == FUNCTION and not in_btf(place.name):
        found = [each for each in found if not each.by_btf]
    return [each.name for each in found]


def wakes_reader(program: str) -> bool:
    """Whether a program hands records to a reader; no where it cannot be made here."""
    try:
        helpers = [each for one in programs_named([program]) for each in made(one).helpers]
    except OverheadError:
        return False
    return any(HELPERS[each].is_buffer for each in helpers if each in HELPERS)


def slows_other_calls(attach: str) -> bool:
    """Whether a hook on one system call puts all other system calls on the slow path."""
    return attach in GROUPS["tracepoints"] and not ATTACH_TYPES[attach].system_wide


def comparable(attach: str, other: str) -> bool:
    """Whether two attach types see the same moment: the entry, the return, or both."""
    return ATTACH_TYPES[attach].moment == ATTACH_TYPES[other].moment
