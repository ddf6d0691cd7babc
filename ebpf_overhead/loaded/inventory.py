"""What is known of each loaded program besides its counters: hooks, processes, maps."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from ebpf_overhead.loaded.attachments import Attachment, Link, link, link_ids, refine
from ebpf_overhead.loaded.holders import Holders, Process, find_holders
from ebpf_overhead.loaded.objects import Program, map_memory_bytes

# Looking through all processes takes long against counting; what changes without a program
# or a link coming or going is seen this much later.
_MAX_AGE_S = 15.0


@dataclass(frozen=True)
class Details:
    """What is known of a program.

    Attributes
    ----------
    attachments : tuple of Attachment
        Its hooks, as far as the kernel tells.
    processes : tuple of Process
        Who holds it or its links; none where it is pinned, or held by the kernel only.
    map_bytes : dict of int to int
        Memory of each of its maps, by the map's id.
    """

    attachments: tuple[Attachment, ...] = ()
    processes: tuple[Process, ...] = ()
    map_bytes: dict[int, int] = field(default_factory=dict)


class Inventory:
    """Details of the loaded programs, looked up again when something came or went."""

    def __init__(self) -> None:
        self._links: dict[int, Link] = {}
        self._seen: tuple[frozenset[int], frozenset[int]] | None = None
        self._looked_at_s = 0.0
        self._details: dict[int, Details] = {}

    def details(self, programs: dict[int, Program]) -> dict[int, Details]:
        """Return what is known of programs, by id."""
        links = frozenset(link_ids())
        seen = frozenset(programs), links
        now_s = time.monotonic()
        if seen != self._seen or now_s - self._looked_at_s > _MAX_AGE_S:
            self._look(programs, links)
            self._seen, self._looked_at_s = seen, now_s
        return self._details

    def _look(self, programs: dict[int, Program], links: frozenset[int]) -> None:
        self._links = {number: each for number, each in self._links.items() if number in links}
        for number in links - self._links.keys():
            found = link(number)
            if found is not None:
                self._links[number] = found
        holders = find_holders() if programs else Holders()
        self._details = {number: self._of(program, holders) for number, program in programs.items()}

    def _of(self, program: Program, holders: Holders) -> Details:
        own = [each for each in self._links.values() if each.prog_id == program.number]
        # What a link on a perf event does not tell of it, the event's holder does.
        found = {each.attachment for each in own if str(each.attachment) != "perf_event"}
        found |= holders.perf_events.get(program.number, set())
        processes = set(holders.of_program.get(program.number, set()))
        for each in own:
            processes |= holders.of_link.get(each.number, set())
        sizes = {number: map_memory_bytes(number) for number in program.map_ids}
        return Details(
            tuple(sorted((refine(each, program) for each in found), key=str)),
            tuple(sorted(processes)),
            {number: size for number, size in sizes.items() if size is not None},
        )
