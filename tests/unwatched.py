"""What the program of a made-up probe says of its maps and helpers: that there are none."""

from __future__ import annotations

from types import SimpleNamespace

from ebpf_overhead.bpf.syscall import TraceAttachType
from ebpf_overhead.programs.map_states import MapState


class Unwatched:
    """Takes the place of a compiled program."""

    site = None
    states: tuple[MapState, ...] = ()
    lost: int | None = None
    calls_kfuncs = False

    @property
    def maps(self) -> SimpleNamespace:
        return SimpleNamespace(fds={})

    def map_states(self) -> list[MapState]:
        return list(self.states)

    def evicting_keys(self) -> dict[str, frozenset[bytes]]:
        return {}

    def unread_maps(self) -> list[str]:
        return []

    def may_refuse(self, attach: TraceAttachType) -> bool:
        return False

    def used_maps(self) -> set[str]:
        return set()

    def lost_updates(self) -> int | None:
        return self.lost

    @property
    def is_watched(self) -> bool:
        return False
