"""What this program keeps on a user's disk: how much that is, and clearing it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ebpf_overhead.guest import rundir
from ebpf_overhead.guest.accel import Memory
from ebpf_overhead.kernels import upkeep
from ebpf_overhead.kernels.catalogue import damaged, installed
from ebpf_overhead.kernels.layout import Layout
from ebpf_overhead.kernels.reporting import Reporter
from ebpf_overhead.programs import store

_BLOCK_BYTES = 512  # of stat(2), whatever the file system's own blocks are


@dataclass(frozen=True)
class Kept:
    """One kind of what is kept.

    Attributes
    ----------
    name : str
        What it is called on the command line.
    summary : str
        What it is, and what it saves.
    places : tuple of Path
        Files and directories that hold it.
    """

    name: str
    summary: str
    places: tuple[Path, ...]

    def use(self) -> tuple[int, int]:
        """Return how many files there are, and how many bytes of the disk they take."""
        sizes = [
            status.st_blocks * _BLOCK_BYTES for place in self.places for status in _files(place)
        ]
        return len(sizes), sum(sizes)


def kept(layout: Layout) -> list[Kept]:
    """Return all that is kept, what can be made again fastest first."""
    costs = layout.root / "overheads"
    return [
        Kept("objects", "compiled programs; compiling takes a second each", (store.directory(),)),
        Kept("states", "saved states of guests; booting takes ten seconds each", (layout.states,)),
        Kept("trials", "whether guests boot with hardware virtualisation", (Memory().path,)),
        Kept("costs", "what hooks cost on each kernel; measuring takes seconds", (costs,)),
        Kept("runs", "directories of guests, those that run included", tuple(rundir.existing())),
        Kept("packages", "downloaded packages of kernels", (layout.packages, layout.apt)),
        Kept("userlands", "programs of guests of other architectures", (layout.userlands,)),
        Kept("kernels", "kernels to boot; their results are kept elsewhere", (layout.kernels,)),
    ]


def clear(names: Iterable[str], layout: Layout, reporter: Reporter) -> None:
    """Remove what is kept of some kinds; results and guests that run stay.

    Raises
    ------
    OSError
        Something cannot be removed.
    """
    of_kind = {each.name: each for each in kept(layout)}
    own: dict[str, Callable[[], object]] = {
        "runs": rundir.sweep,
        "packages": lambda: _clear_fetched(of_kind["packages"], layout, reporter),
        "userlands": lambda: _clear_fetched(of_kind["userlands"], layout, reporter),
        "kernels": lambda: _remove_kernels(layout, reporter),
    }
    for name in names:
        if name in own:
            own[name]()
        else:
            _remove(of_kind[name].places)


def _remove_kernels(layout: Layout, reporter: Reporter) -> None:
    names = [*(kernel.release for kernel in installed(layout)), *damaged(layout)]
    if names:
        upkeep.remove(layout, names, True, reporter)


def _clear_fetched(fetched: Kept, layout: Layout, reporter: Reporter) -> None:
    with layout.locked(reporter):
        _remove(fetched.places)


def _remove(places: Iterable[Path]) -> None:
    for place in places:
        with suppress(FileNotFoundError):
            if place.is_dir():
                shutil.rmtree(place)
            else:
                place.unlink()


def _files(place: Path) -> Iterator[os.stat_result]:
    """Yield the status of every file; one that goes away meanwhile is left out."""
    if place.is_file():
        yield place.stat()
    for folder, _, names in os.walk(place):
        for name in names:
            with suppress(FileNotFoundError):
                yield Path(folder, name).lstat()
