"""What a program's helpers returned -> what it did not do."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ebpf_overhead.bpf.helpers import HELPERS, PUSH, STACK_ID, TAIL_CALL, UPDATE, Helper, Returns
from ebpf_overhead.bpf.maps import Dimensions
from ebpf_overhead.measure.findings import Failure, Finding
from ebpf_overhead.programs.watching import Count

# The array in which a program counts its failures itself; what it does with that is no work.
LOST = "lost_updates"
# A share of lost records, or of reads that fail, that is too small to move a result: the default
# precision.
LOST_SHARE = 0.01
MORE_ROOM = "give the buffer more room"

# Helpers that put something into a map, and how they say that it is full: tries by ENOSPC, other
# maps by E2BIG.
_INSERTING, _NO_ROOM = (HELPERS[UPDATE], HELPERS[PUSH]), (errno.E2BIG, errno.ENOSPC)
_MEANINGS = {
    errno.EAGAIN: "no room in the buffer",
    errno.EBUSY: "another update held the map",
    errno.EEXIST: "the key was there",
    errno.EFAULT: "the memory cannot be read",
    errno.ENOENT: "no such key",
    errno.ENOMEM: "no memory for another element",
    errno.ENOSPC: "no room",
}


@dataclass
class _Group:
    """The calls of one helper for one map, wherever in the program they are."""

    helper: Helper
    map: str
    calls: int = 0
    failures: int = 0
    errno: int = 0

    @property
    def always(self) -> bool:
        return self.calls == self.failures

    @property
    def is_full(self) -> bool:
        """Whether there was no room for a key."""
        return self.errno in _NO_ROOM and self.helper in _INSERTING

    @property
    def collides(self) -> bool:
        """Whether stacks were not kept: those of one hash value have one place between them."""
        return self.helper is HELPERS[STACK_ID] and self.errno == errno.EEXIST

    @property
    def often(self) -> str:
        """How often it failed: ``in all of 1,000 calls``."""
        share = "all" if self.always else f"{self.failures:,}"
        return f"in {share} of {self.calls:,} calls"

    @property
    def name(self) -> str:
        return f"bpf_{self.helper.name}"

    @property
    def on_map(self) -> str:
        return f" of map {self.map}" if self.map else ""

    def finding(self, what: str) -> Finding:
        return Finding(
            what,
            map=self.map or None,
            helper=self.name,
            errno=_name(self.errno) if self.errno else None,
            times=self.failures,
            calls=self.calls,
        )


def of_helpers(
    counts: Sequence[Count], sizes: Mapping[str, Dimensions], lost_updates: int | None
) -> Iterator[Failure | Finding]:
    """Yield what the failures of a program's helpers come to.

    Parameters
    ----------
    counts : sequence of Count
        What was seen where they are called.
    sizes : mapping of str to Dimensions
        The program's maps.
    lost_updates : int or None
        Failures that the program counts itself.
    """
    for group in _groups(counts):
        size = sizes.get(group.map)
        if not group.failures:
            continue
        if group.is_full and (size is None or not size.is_indexed):
            yield _full(group, size, lost_updates)
        elif group.helper.finds:
            if group.always:
                yield group.finding(f"found no key{group.on_map} {group.often}")
        elif group.helper is HELPERS[TAIL_CALL]:
            what = f"made tail calls{group.on_map} that lead nowhere, {group.often}"
            finding = group.finding(f"{what}: no program is there")
            yield Failure(finding, "put one there") if group.always else finding
        elif group.errno == errno.ENOENT and group.helper.deletes and not group.always:
            continue  # Whoever deletes what may be there has its answer.
        elif group.helper.works or group.failures > LOST_SHARE * group.calls:
            yield _of_status(group, size)


def _groups(counts: Sequence[Count]) -> list[_Group]:
    groups: dict[tuple[str, bool, str], _Group] = {}
    for each in counts:
        helper, name = each.site.helper, each.site.map
        if helper is not None and name != LOST:
            key = (helper.name, helper.works, name)
            group = groups.setdefault(key, _Group(helper, name))
            group.calls += each.calls
            group.failures += each.failures
            if each.errno in _NO_ROOM or not group.errno:
                group.errno = each.errno
    return list(groups.values())


def _full(group: _Group, size: Dimensions | None, lost: int | None) -> Failure:
    updates = f"{lost} updates" if lost else "updates"
    full = "a map has no room for the key"
    if size is not None:
        full = f"map {group.map} full with {size.max_entries} entries"
    what = f"lost {updates}: {full} ({_name(group.errno)} {group.often} of {group.name})"
    return Failure(group.finding(what), None)


def _of_status(group: _Group, size: Dimensions | None) -> Failure | Finding:
    """Return what the failures of any other helper come to."""
    finding = group.finding(f"{group.name}{group.on_map} failed {group.often}{_why(group, size)}")
    if group.collides:
        return Failure(finding, None) if group.failures > LOST_SHARE * group.calls else finding
    if group.helper.is_buffer:
        lost = group.failures > LOST_SHARE * group.calls
        return Failure(finding, MORE_ROOM) if lost else finding
    if group.errno == errno.ENOMEM and group.helper.works:
        return Failure(finding, None)
    if group.always and group.helper.works and group.errno not in group.helper.answers:
        return Failure(finding)
    return finding


def _why(group: _Group, size: Dimensions | None) -> str:
    if group.helper.returns is Returns.POINTER:
        return ": no room" if group.helper.works else ""
    if group.errno == errno.E2BIG and size is not None:
        return f": E2BIG (the array has {size.max_entries} elements)"
    if group.helper.is_buffer and group.errno == errno.ENOENT:
        return ": ENOENT (nobody reads it on that CPU)"
    if group.collides:
        return ": EEXIST (another stack has its place)"
    of_maps = group.errno == errno.EBUSY  # timers say it, too
    known = group.errno in _MEANINGS and (group.map or not of_maps)
    meaning = f" ({_MEANINGS[group.errno]})" if known else ""
    return f": {_name(group.errno)}{meaning}"


def _name(number: int) -> str:
    return errno.errorcode.get(number, str(number))
