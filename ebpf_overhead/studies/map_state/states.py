"""The states of a map that are measured, and its sizes.

Nothing here touches the kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from ebpf_overhead.bpf.maps import MapType
from ebpf_overhead.errors import UnknownNameError

# What probes/map_state.c has room for.
KEY_BYTES_MIN, KEY_BYTES_MAX = 4, 256
VALUE_BYTES_MIN, VALUE_BYTES_MAX = 8, 4096
ENTRIES_MAX = 1 << 20

# What a run of the program does; the numbers are those of probes/map_state.c.
OPERATIONS = {"none": 0, "miss": 1, "hit": 2, "insert": 3, "fail": 4, "evict": 5}


@dataclass(frozen=True)
class Size:
    """Sizes of a map.

    Attributes
    ----------
    key_bytes, value_bytes : int
        What a key and a value take, in bytes.
    entries : int
        How many keys it has room for.
    """

    key_bytes: int = 8
    value_bytes: int = 8
    entries: int = 1024

    @property
    def name(self) -> str:
        """Name for people: ``8/8/1024``, key bytes, value bytes, entries."""
        return f"{self.key_bytes}/{self.value_bytes}/{self.entries}"


@dataclass(frozen=True)
class State:
    """How full a map is, and what a run of the program does with it.

    Attributes
    ----------
    name : str
        Name in results.
    operation : str
        One of :data:`OPERATIONS`.
    fill : str
        ``empty``, ``half``, ``all but one`` or ``full``.
    kind : MapType
        Type of the map.
    summary : str
        What a run does, for people.
    """

    name: str
    operation: str
    fill: str
    summary: str
    kind: MapType = MapType.HASH

    def keys(self, size: Size) -> int:
        """Return how many keys are in the map before the first run."""
        return {
            "empty": 0,
            "half": max(size.entries // 2, 1),
            "all but one": size.entries - 1,
            "full": size.entries,
        }[self.fill]

    def possible(self, size: Size) -> bool:
        """Whether a map of that size can be in this state."""
        keys = self.keys(size)
        if self.operation == "hit":
            return keys > 0
        return self.operation != "insert" or keys < size.entries


STATES = {
    state.name: state
    for state in (
        State("none", "none", "empty", "no map at all: hook and bookkeeping"),
        State("empty_miss", "miss", "empty", "looks for a key in an empty map"),
        State("empty_insert", "insert", "empty", "inserts a key and deletes it again"),
        State("warm_hit", "hit", "half", "increments a key of a map that is half full"),
        State("warm_insert", "insert", "half", "inserts a key and deletes it again"),
        State("nearly_full_hit", "hit", "all but one", "increments a key; one has room"),
        State("nearly_full_insert", "insert", "all but one", "the last free place, taken and left"),
        State("full_fail", "fail", "full", "inserts a key that finds no room"),
        State("lru_warm_hit", "hit", "half", "increments a key of an LRU map", MapType.LRU_HASH),
        State(
            "lru_evict",
            "evict",
            "full",
            "inserts a key, which drops another",
            MapType.LRU_HASH,
        ),
    )
}

# One size after the other is changed, from a common one.
_COMMON = Size()
SWEEPS = {
    "key_bytes": (4, 8, 16, 32, 64, 128, 256),
    "value_bytes": (8, 64, 512, 4096),
    "entries": (1, 16, 1024, 1 << 15, 1 << 20),
}
SWEEP = tuple(
    dict.fromkeys(
        [
            *(Size(key_bytes=each) for each in SWEEPS["key_bytes"]),
            *(Size(value_bytes=each) for each in SWEEPS["value_bytes"]),
            *(Size(entries=each) for each in SWEEPS["entries"]),
        ]
    )
)


def choose_sizes(
    key_bytes: Sequence[int] = (), value_bytes: Sequence[int] = (), entries: Sequence[int] = ()
) -> list[Size]:
    """Return the sizes to measure: all combinations of those asked for, or the sweep."""
    if not (key_bytes or value_bytes or entries):
        return list(SWEEP)
    combinations = product(
        key_bytes or [_COMMON.key_bytes],
        value_bytes or [_COMMON.value_bytes],
        entries or [_COMMON.entries],
    )
    return [Size(*each) for each in dict.fromkeys(combinations)]


def choose_states(names: Sequence[str] = ()) -> list[State]:
    """Return the states of these names, or all; always with ``none``, which the rest needs.

    Raises
    ------
    BadUseError
        There is no such state.
    """
    if unknown := sorted(set(names) - STATES.keys()):
        raise UnknownNameError("map state", unknown[0], STATES)
    return [each for name, each in STATES.items() if not names or name in names or name == "none"]
