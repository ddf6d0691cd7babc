"""Whether a program did its work while it was measured: its maps, its helpers and its buffers.

Nothing of this runs in a timed window.  How full the maps are is read before sampling and after.
What the helpers return is seen in a pass after sampling, with a copy of the program that records it
(:mod:`ebpf_overhead.programs.watching`); a map that filled meanwhile is full then, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from ebpf_overhead.bpf import maps
from ebpf_overhead.errors import OverheadError
from ebpf_overhead.hooks.hook import Hook
from ebpf_overhead.hooks.probe import Probe
from ebpf_overhead.hooks.probe_group import ProbeGroup
from ebpf_overhead.measure.findings import Judgement
from ebpf_overhead.measure.judgement import Seen, judge
from ebpf_overhead.phases import phase
from ebpf_overhead.programs.compiled import CompiledProgram
from ebpf_overhead.programs.event_buffers import BufferUse
from ebpf_overhead.programs.map_states import MapState
from ebpf_overhead.programs.watching import Count


@dataclass(frozen=True)
class MapsBefore:
    """The maps of a program before it is measured.

    Attributes
    ----------
    states : list of MapState
        How full each was.
    keys : dict
        The keys of those that drop keys.
    """

    states: list[MapState]
    keys: dict[str, frozenset[bytes]]


def before(group: ProbeGroup) -> list[MapsBefore]:
    """Return what the maps of the programs of a group are compared with later."""
    return [_maps_of(probe.compiled) for probe in _distinct(group)]


def _maps_of(compiled: CompiledProgram) -> MapsBefore:
    return MapsBefore(compiled.map_states(), compiled.evicting_keys())


def _distinct(group: ProbeGroup) -> list[Probe]:
    """Return the probes of a group that are measured, one of those that do the same."""
    return list({(id(each.compiled), each.site): each for each in group.measured}.values())


def look(
    group: ProbeGroup,
    earlier: Sequence[MapsBefore],
    call: Callable[[], object],
    buffers: Callable[[], Sequence[BufferUse]] = list,
    *,
    calls: int | None = None,
    counts_itself: bool = True,
) -> Judgement:
    """Find out whether programs did their work, when all is measured.

    Parameters
    ----------
    group : ProbeGroup
        The programs; those that are measured are not attached.
    earlier : sequence of MapsBefore
        Their maps before they were measured.
    call : callable
        Calls the workload as often as a block does, while event buffers are read.
    buffers : callable
        Returns what came of their event buffers.
    calls : int, optional
        How many calls of the workload ``call`` makes, where that is known.
    counts_itself : bool
        Whether failures that programs count themselves make the result worthless.
    """
    probes = _distinct(group)
    seen = [
        _seen(probe, before, buffers(), counts_itself)
        for probe, before in zip(probes, earlier, strict=True)
    ]
    try:
        with phase("prove"):
            passed = _passed(probes, call)
        often = [probe.case.runs_per_call for probe in probes]
        seen = [
            replace(each, counts=counts, runs=runs, own_runs=calls and calls * runs_per_call)
            for each, (counts, runs), runs_per_call in zip(seen, passed, often, strict=True)
        ]
    except OverheadError as error:
        seen = [replace(each, unwatched=error.what) for each in seen]
    return sum(map(judge, seen), Judgement())


def _seen(
    probe: Probe,
    earlier: MapsBefore,
    buffers: Sequence[BufferUse],
    counts_itself: bool,
) -> Seen:
    compiled = probe.compiled
    now = _maps_of(compiled)
    return Seen(
        before=earlier.states,
        after=now.states,
        dropped={name: len(keys - now.keys[name]) for name, keys in earlier.keys.items()},
        buffers=buffers,
        sizes={name: maps.dimensions(fd) for name, fd in compiled.maps.fds.items()},
        unread=compiled.unread_maps(),
        used=compiled.used_maps(),
        lost_updates=compiled.lost_updates() if counts_itself else None,
        calls_kfuncs=compiled.calls_kfuncs,
        may_refuse=compiled.may_refuse(probe.case.attach.expected),
    )


def _passed(probes: Sequence[Probe], call: Callable[[], object]) -> list[tuple[list[Count], int]]:
    """Return what the helpers of each came to in a pass of calls, and how often it ran."""
    with ExitStack() as stack:
        if not any(probe.compiled.is_watched for probe in probes):
            return [([], 0)] * len(probes)
        copies = [stack.enter_context(probe.compiled.watched()) for probe in probes]
        hooks = [
            stack.enter_context(Hook(probe.site, copy.load))
            for probe, copy in zip(probes, copies, strict=True)
        ]
        for hook in hooks:
            hook.attach()
        call()
        for hook in reversed(hooks):
            hook.detach()
        return [(copy.counts(), copy.runs()) for copy in copies]
