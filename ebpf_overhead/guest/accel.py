"""Choosing what executes a guest, by trying it, and remembering the outcome.

That ``/dev/kvm`` opens says little: some machines offer it and stock kernels hang in the
firmware or stop at an instruction that is not emulated.  Only a boot within a bound of time
tells, and it tells for one kernel on one machine.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ebpf_overhead.closing import write_atomically
from ebpf_overhead.errors import BadUseError, OverheadError, UnsupportedError
from ebpf_overhead.guest.command import Accelerator, Clock, dotted
from ebpf_overhead.programs.store import cache_directory
from ebpf_overhead.reading import read_json

AcceleratorWish = Literal["auto", "tcg", "kvm"]
ClockWish = Literal["auto", "icount", "wall"]

# Where hardware virtualisation works a guest is up in 1 to 5 s.
TRIAL_S = 30.0


@dataclass(frozen=True)
class Choice:
    """How a guest runs.

    Parameters
    ----------
    clock : str
        What its time means.
    accel : str
        What executes it.
    """

    clock: Clock
    accel: Accelerator


class Memory:
    """The outcomes of trial boots on this machine.

    Parameters
    ----------
    path : Path, optional
        The file; ``ebpf-overhead/acceleration.json`` in the user's cache by default.  One
        that cannot be read or written only means that boots are tried again.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or cache_directory() / "acceleration.json"

    def recall(self, key: str) -> str | None:
        """Return why the trial failed, the empty string if it did not, None if there was none."""
        found = self._read().get(key)
        return found if isinstance(found, str) else None

    def keep(self, key: str, failure: str) -> None:
        """Remember an outcome: why the trial failed, or the empty string."""
        outcomes = {**self._read(), key: failure}
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path, json.dumps(outcomes, indent=2, sort_keys=True))

    def _read(self) -> dict[str, object]:
        try:
            return read_json(self.path, dict[str, object])
        except OverheadError:
            return {}


def trial_key(release: str, image: Path, version: tuple[int, ...]) -> str:
    """Return what a trial's outcome depends on: host kernel, QEMU, guest kernel and its image."""
    status = image.stat()
    host = os.uname().release
    return f"{host} qemu-{dotted(version)} {release} {status.st_size} {status.st_mtime_ns}"


def choose(
    clock: ClockWish,
    accel: AcceleratorWish,
    trial: Callable[[], str],
    log: Callable[[str], None],
) -> Choice:
    """Return how to run a guest.

    Parameters
    ----------
    clock, accel : str
        What the user asks for.
    trial : callable
        Tells whether this kernel boots with KVM: returns why not, or the empty string.
        Called only when the answer matters.
    log : callable
        Told, in one line, when hardware virtualisation is given up.

    Raises
    ------
    BadUseError
        When clock and accelerator exclude each other.
    UnsupportedError
        When the wall clock is asked for and only emulation works.
    """
    if clock == "icount" and accel == "kvm":
        raise BadUseError(
            "KVM cannot count instructions: clock icount with accelerator kvm",
            "take --accel tcg, or --clock wall",
        )
    if clock == "wall" and accel == "tcg":
        raise BadUseError(
            "the wall clock of an emulated machine means nothing: clock wall with accelerator tcg",
            "take --clock icount, or --accel kvm",
        )
    if clock == "icount" or accel == "tcg":
        return Choice("icount", "tcg")
    if accel == "kvm":
        return Choice("wall", "kvm")
    failure = trial()
    if not failure:
        return Choice("wall", "kvm")
    if clock == "wall":
        raise UnsupportedError(
            f"no hardware virtualisation for this kernel here: {failure}", "take --clock icount"
        )
    log(f"no hardware virtualisation: {failure}; emulating instead, counting instructions")
    return Choice("icount", "tcg")
