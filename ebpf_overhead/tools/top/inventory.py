"""ProgramDetails of each loaded program besides its counters: hooks, processes, maps."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from ebpf_overhead.bpf.objects import KernelProgram, map_memory_bytes
from ebpf_overhead.tools.top import devices
from ebpf_overhead.tools.top.attachments import Attachment, Link, link, link_ids, refine
from ebpf_overhead.tools.top.cgroups import at_cgroups, is_of_cgroups
from ebpf_overhead.tools.top.devices import at_devices
from ebpf_overhead.tools.top.holders import Holder, Holders, find_holders

# Searching all processes takes much longer than reading counters.  So it is done when a program
# or a link appears or disappears.  Other changes are seen after this time.
_MAX_AGE_S = 15.0


@dataclass(frozen=True)
class ProgramDetails:
    """Hooks, processes and maps of a program.

    Attributes
    ----------
    attachments : tuple of Attachment
        The hooks that the kernel reports.
    processes : tuple of Holder
        Processes that hold it or its links; empty where it is pinned or held by the kernel only.
    map_bytes : dict of int to int
        Memory of its maps, by the map's id.
    """

    attachments: tuple[Attachment, ...] = ()
    processes: tuple[Holder, ...] = ()
    map_bytes: dict[int, int] = field(default_factory=dict)


class Inventory:
    """ProgramDetails of the loaded programs, looked up again when a program or link changed."""

    def __init__(self) -> None:
        self._links: dict[int, Link] = {}
        self._seen: tuple[frozenset[int], frozenset[int]] | None = None
        self._looked_at_s = 0.0
        self._details: dict[int, ProgramDetails] = {}

    def details(self, programs: dict[int, KernelProgram]) -> dict[int, ProgramDetails]:
        """Return the details of programs, by id."""
        links = frozenset(link_ids())
        seen = frozenset(programs), links
        now_s = time.monotonic()
        if seen != self._seen or now_s - self._looked_at_s > _MAX_AGE_S:
            self._look(programs, links)
            self._seen, self._looked_at_s = seen, now_s
        return self._details

    def _look(self, programs: dict[int, KernelProgram], links: frozenset[int]) -> None:
        self._links = {number: each for number, each in self._links.items() if number in links}
        for number in links - self._links.keys():
            found = link(number)
            if found is not None:
                self._links[number] = found
        holders = find_holders() if programs else Holders()
        kinds = {program.kind for program in programs.values()}
        at_places = {
            **(at_devices(holders.networks.values()) if kinds.intersection(devices.KINDS) else {}),
            **(at_cgroups() if any(map(is_of_cgroups, kinds)) else {}),
        }
        self._details = {
            number: self._of(program, holders, at_places.get(number, set()))
            for number, program in programs.items()
        }

    def _of(
        self, program: KernelProgram, holders: Holders, at_places: set[Attachment]
    ) -> ProgramDetails:
        """Return the details of a program; ``at_places`` are its hooks at devices or cgroups."""
        own = [each for each in self._links.values() if each.prog_id == program.number]
        # Where a link on a perf event has no details, the holder of the event has them; devices
        # and cgroups have names, which links do not tell.
        found = at_places or {each.attachment for each in own}
        found = {each for each in found if str(each) != "perf_event"}
        found |= holders.perf_events.get(program.number, set())
        processes = set(holders.of_program.get(program.number, set()))
        for each in own:
            processes |= holders.of_link.get(each.number, set())
        sizes = {number: map_memory_bytes(number) for number in program.map_ids}
        return ProgramDetails(
            tuple(sorted((refine(each, program) for each in found), key=str)),
            tuple(sorted(processes)),
            {number: size for number, size in sizes.items() if size is not None},
        )
