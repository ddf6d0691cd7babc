"""What can be told of a program: its instructions, how full its maps are, who reads its buffers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import chain

from ebpf_overhead.bpf import map_entries, maps
from ebpf_overhead.bpf.helpers import DELETE, HELPERS, PERF_OUTPUT
from ebpf_overhead.bpf.maps import MapType, MapUse
from ebpf_overhead.bpf.syscall import TraceAttachType
from ebpf_overhead.programs import map_states, verdict, watching
from ebpf_overhead.programs.code_flow import Code
from ebpf_overhead.programs.event_buffers import EventBuffers, open_event_buffers, output_maps
from ebpf_overhead.programs.map_states import MapState
from ebpf_overhead.programs.program_maps import ProgramMaps
from ebpf_overhead.programs.program_object import ProgramObject
from ebpf_overhead.programs.tail_calls import Slot, reached


class ProgramState:
    """A program with its maps.

    Attributes
    ----------
    made : ProgramObject
        Its instructions.
    maps : ProgramMaps
        Its maps.
    entry : str
        Which of its functions is measured.
    slots : sequence of Slot
        What tail calls of its functions lead to.
    """

    made: ProgramObject
    maps: ProgramMaps
    entry: str
    slots: Sequence[Slot]

    @cached_property
    def flow(self) -> Code:
        """What can be told of the instructions of the function that is measured."""
        return watching.code_of(self.made.functions[self.entry])

    @cached_property
    def led_to(self) -> tuple[Slot, ...]:
        """The slots that its tail calls may lead to, and so on from there."""
        # Whoever loads other functions than the entry, and has none, has no program arrays.
        return tuple(reached(self.made.functions, self.entry, self.slots)) if self.slots else ()

    @cached_property
    def passed(self) -> tuple[str, ...]:
        """The functions that a run may pass: the one that is measured is the first."""
        return tuple(dict.fromkeys((self.entry, *(each.function for each in self.led_to))))

    @cached_property
    def _flows(self) -> list[Code]:
        return [watching.code_of(self.made.functions[name]) for name in self.passed]

    def may_refuse(self, attach: TraceAttachType) -> bool:
        """Whether it may refuse calls at such a hook, and is kept from that."""
        return verdict.may_refuse(self.made.functions[self.entry].code, attach)

    @property
    def helpers(self) -> set[int]:
        """The helpers that are called, whether or not the call can be reached."""
        return set().union(*(each.helpers for each in self._flows))

    def clear(self) -> None:
        """Empty the program's maps, so that every case starts from the same state."""
        self.maps.clear()
        lost = self.map_fd("lost_updates")
        if lost is not None:
            maps.put(lost, 0, bytes(8))

    @property
    def calls_kfuncs(self) -> bool:
        """Whether it calls functions of the kernel that are no helpers, which nobody watches."""
        return any(each.calls_kfuncs for each in self._flows)

    def map_states(self) -> list[MapState]:
        """Return how full each hash map of the program is."""
        return map_states.states(self.maps.fds)

    def evicting_keys(self) -> dict[str, frozenset[bytes]]:
        """Return the keys of each map that drops keys, and that the program deletes none of."""
        sites = chain.from_iterable(map(watching.sites_of, self._flows))
        deleted = {site.map for site in sites if site.helper is HELPERS[DELETE]}
        known = {} if "" in deleted else self.maps.fds
        return map_states.keys({name: fd for name, fd in known.items() if name not in deleted})

    def map_use(self) -> MapUse | None:
        """Return how full the program's map is and what failed; None when nothing can."""
        lost_updates, counts = self.lost_updates(), self.map_fd("counts")
        size = None if counts is None else maps.dimensions(counts)
        if counts is None or size is None or not size.is_hash:
            return None if lost_updates is None else MapUse(None, None, lost_updates)
        return MapUse(
            max_entries=size.max_entries,
            entries=len(map_entries.keys(counts, size)) // size.key_bytes,
            lost_updates=lost_updates,
            evicts=size.evicts,
        )

    def lost_updates(self) -> int | None:
        """Return how many updates failed; None where the program does not count them."""
        lost = self.map_fd("lost_updates")
        return None if lost is None else int.from_bytes(maps.lookup(lost, 0), "little")

    def event_buffers(self) -> EventBuffers | None:
        """Return the event buffers of the program; None if it has none."""
        return open_event_buffers(self.maps.fds, self._outputs)

    def output_maps(self) -> dict[str, MapType]:
        """Return the ring buffers and perf buffers that the program writes records to."""
        return output_maps(self.maps.fds, self._outputs)

    @cached_property
    def _outputs(self) -> set[str]:
        """The arrays of perf events that records are written to; empty where one is not known.

        Functions that share the maps are attached with this one, or jumped to.
        """
        argument = HELPERS[PERF_OUTPUT].map_argument
        return {
            flow.map_in(index, argument)
            for flow in map(watching.code_of, self.made.functions.values())
            for index, number in watching.helper_calls(flow)
            if number == PERF_OUTPUT
        }

    def used_maps(self) -> set[str]:
        """Return the maps that a run may use; others belong to functions beside it."""
        return {each.name for name in self.passed for each in self.made.functions[name].maps}

    def unread_maps(self) -> list[str]:
        """Return the maps whose records nobody reads, or whose counters nobody opened."""
        kinds = {each.name: each.kind for each in self.made.maps}
        inner = {each.name for each in self.made.maps if kinds.get(each.inner) == MapType.RINGBUF}
        counters = {
            name
            for name, fd in self.maps.fds.items()
            if maps.dimensions(fd).kind == MapType.PERF_EVENT_ARRAY
            and not {name, ""} & self._outputs
        }
        return sorted((inner | counters) & self.used_maps())

    def map_fd(self, name: str) -> int | None:
        """Return the descriptor of a map; None when there is none of that name."""
        return self.maps.fds.get(name)
