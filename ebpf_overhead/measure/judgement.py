"""What was seen of a program's maps, helpers and buffers -> whether it did its work."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from ebpf_overhead.bpf.helpers import HELPERS, POP, PUSH
from ebpf_overhead.bpf.maps import Dimensions, MapType
from ebpf_overhead.measure.findings import Failure, Finding, Judgement
from ebpf_overhead.measure.helper_results import LOST, LOST_SHARE, MORE_ROOM, of_helpers
from ebpf_overhead.programs.event_buffers import BufferUse
from ebpf_overhead.programs.map_states import MapState
from ebpf_overhead.programs.watching import Count

_UNLESS_KFUNC = ", unless a function of the kernel did that it calls: those are not watched"
_QUEUES = tuple(each.name.lower() for each in (MapType.QUEUE, MapType.STACK))


@dataclass(frozen=True)
class Seen:
    """All that was seen of a program.

    Attributes
    ----------
    before, after : sequence of MapState
        Its maps before and after measuring.
    dropped : mapping of str to int
        Keys that a map dropped meanwhile, and the program did not delete.
    buffers : sequence of BufferUse
        What came of its event buffers.
    sizes : mapping of str to Dimensions
        Its maps' types and sizes.
    unread : sequence of str
        Maps with records or counters that nobody serves.
    used : set of str
        Maps that its runs may use; others belong to functions beside it.
    lost_updates : int or None
        Failures that it counts itself.
    calls_kfuncs : bool
        Whether it calls functions of the kernel that are no helpers.
    counts : sequence of Count
        What its helpers came to in a pass of calls.
    runs : int
        How often it ran in that pass.
    own_runs : int or None
        How often it should have run for the calls of that pass; the others were for other
        processes.  None where that is not known.
    may_refuse : bool
        Whether it may refuse the call that it is asked about, and is kept from that.
    unwatched : str
        Why its helpers could not be watched.
    """

    before: Sequence[MapState] = ()
    after: Sequence[MapState] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)
    buffers: Sequence[BufferUse] = ()
    sizes: Mapping[str, Dimensions] = field(default_factory=dict)
    unread: Sequence[str] = ()
    used: Set[str] = frozenset()
    lost_updates: int | None = None
    calls_kfuncs: bool = False
    counts: Sequence[Count] = ()
    runs: int = 0
    own_runs: int | None = None
    may_refuse: bool = False
    unwatched: str = ""


def judge(seen: Seen) -> Judgement:
    """Return whether a program did its work, from all that was seen of it."""
    found = list(of_helpers(seen.counts, seen.sizes, seen.lost_updates))
    found += _of_maps(seen, {each.finding.map for each in found if isinstance(each, Failure)})
    found += _of_buffers(seen)
    if seen.lost_updates and not any(isinstance(each, Failure) for each in found):
        found = [_counted_itself(seen.lost_updates, found)]
    return Judgement.of([*found, *_of_the_whole(seen)], seen.after)


def _of_maps(seen: Seen, known: set[str | None]) -> Iterator[Failure | Finding]:
    """Yield what there is to say of maps, besides those whose failure is known."""
    full_before = {each.name for each in seen.before if each.full}
    for each in seen.after:
        filled = f"filled map {each.name} of {each.max_entries} entries"
        if dropped := seen.dropped.get(each.name):
            what = (
                f"lost entries: map {each.name}, of {each.max_entries} entries, dropped {dropped:,}"
                " of them to take others in"
            )
            yield Failure(Finding(what, map=each.name, times=dropped), None)
        elif not each.full or each.name in known:
            continue
        elif each.kind in _QUEUES and (pushed := _pushed_out(each.name, seen.counts)):
            what = (
                f"map {each.name}, of {each.max_entries} entries, dropped {pushed:,} to take others"
            )
            yield Finding(f"{what} in", map=each.name, times=pushed)
        elif seen.unwatched and seen.lost_updates is None and not each.evicts:
            what = f"{filled}: updates after that failed uncounted"
            yield Failure(Finding(what, map=each.name), None)
        elif each.name not in full_before:
            yield Finding(f"{filled} while it was measured", map=each.name)


def _pushed_out(name: str, counts: Sequence[Count]) -> int:
    """Return how many values a full queue dropped while it was watched, as it was asked to."""
    kept = 0
    for each in counts:
        if each.site.map == name and each.site.helper in (HELPERS[PUSH], HELPERS[POP]):
            done = each.calls - each.failures
            kept += done if each.site.helper is HELPERS[PUSH] else -done
    return max(kept, 0)


def _of_buffers(seen: Seen) -> Iterator[Failure | Finding]:
    for each in seen.buffers:
        total = each.records + each.lost
        if each.lost:
            what = f"lost {each.lost:,} of {total:,} records: buffer {each.name} had no room"
            finding = Finding(what, map=each.name, times=each.lost, calls=total)
            yield Failure(finding, MORE_ROOM) if each.lost > LOST_SHARE * total else finding
        elif each.full:
            what = f"buffer {each.name} was found full {each.full:,} times by its reader"
            yield Finding(what, map=each.name, times=each.full)
        elif not total and seen.runs and each.name in seen.used:
            yield Finding(f"no record came out of buffer {each.name}", map=each.name)
    for name in seen.unread:
        what = f"nobody reads or fills map {name}: its records or counters are not there"
        yield Finding(what, map=name)


def _counted_itself(lost: int, found: Sequence[Failure | Finding]) -> Failure:
    """Return the failure for what a program counts as one, with the errors that were seen."""
    errors = [each.what for each in found if isinstance(each, Finding) and each.errno]
    why = f": {'; '.join(errors)}" if errors else ""
    return Failure(Finding(f"failed to do its work {lost} times ({LOST}){why}", times=lost))


def _of_the_whole(seen: Seen) -> Iterator[Finding]:
    if seen.may_refuse:
        yield Finding(
            "the program may return something other than 0, which refuses the call: measured with 0"
        )
    if seen.unwatched:
        yield Finding(f"its helpers could not be watched: {seen.unwatched}")
    work = [each for each in seen.counts if each.site.works and each.site.map != LOST]
    worked = _most_that_worked(work, seen.runs)
    # Of those for other processes any may have been idle: a filter is for one of them.
    idle = seen.runs - worked if not worked or seen.own_runs is None else seen.own_runs - worked
    if work and idle > LOST_SHARE * seen.runs:
        often = f"at least {_share(idle / seen.runs)} %" if worked else "100 %"
        yield Finding(
            f"the program returned early in {often} of {seen.runs:,} runs: it changed no map and"
            f" handed nothing on{_UNLESS_KFUNC if seen.calls_kfuncs else ''}",
            times=idle,
            calls=seen.runs,
        )
    else:
        silent = {each.name for each in seen.buffers if not each.records + each.lost}
        yield from _never_changed(work, seen.runs, silent)


def _most_that_worked(work: Sequence[Count], runs: int) -> int:
    """Return how many runs may have done any work.

    Each of them passed a place that may be its first; some passed several of these.
    """
    first = [each for each in work if each.site.first and each.calls]
    known = all(each.site.counted for each in first)
    return min(sum(each.calls for each in first), runs) if known else runs


def _share(share: float) -> str:
    """Return a share in percent, rounded down: what is not all of it does not become 100."""
    return f"{math.floor(share * 10_000) / 100:g}"


def _never_changed(work: Sequence[Count], runs: int, known: Set[str]) -> Iterator[Finding]:
    """Yield the maps that a program has calls for, and never came to change.

    A value that was changed, and whose map is not known, may be of any of them.
    """
    changed = {each.site.map for each in work if each.calls}
    called = {each.site.map for each in work if each.site.helper is not None}
    for name in sorted(called - changed - known - {""}) if "" not in changed else ():
        what = f"map {name} was changed in none of {runs:,} runs"
        yield Finding(what, map=name, times=runs, calls=runs)
