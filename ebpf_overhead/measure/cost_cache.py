"""What was measured on this kernel before, so that it need not be measured again.

One JSON file a kernel release, in the data directory.  A value counts only for the
machine it was measured on: build of the kernel, CPU model and clock must be the same.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ebpf_overhead import machine
from ebpf_overhead.bpf import statistics
from ebpf_overhead.errors import OverheadError
from ebpf_overhead.kernels.layout import default_layout
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.reading import read_json
from ebpf_overhead.workload import clock

_SCHEMA = 1


@dataclass(frozen=True)
class StoredInterval:
    """A stored value and when it was measured.

    Attributes
    ----------
    interval : Interval
        The value, ns (or instructions) per call.
    measured_at : float
        Seconds since 1970.
    """

    interval: Interval
    measured_at: float


@dataclass(frozen=True)
class _File:
    schema: int
    machine: dict[str, Any]
    entries: dict[str, StoredInterval]


class Store:
    """Intervals measured on this kernel, by name.

    Parameters
    ----------
    path : Path, optional
        File to use; by default ``overheads/<release>.json`` in the data directory.
    """

    def __init__(self, path: Path | None = None) -> None:
        release = os.uname().release
        self.path = path or default_layout().root / "overheads" / f"{release}.json"

    def get(self, key: str) -> Interval | None:
        """Return a value; None when it was not measured on this kernel and machine."""
        found = self.find(key)
        return None if found is None else found.interval

    def find(self, key: str) -> StoredInterval | None:
        """Return a value with its age; see :meth:`get`."""
        return self._read().get(key)

    def put(self, values: dict[str, Interval]) -> bool:
        """Store values; a place that cannot be written to is no reason to fail.

        Returns
        -------
        bool
            False where nothing was stored because the kernel's run statistics are on: what was
            measured meanwhile has their cost in it.
        """
        if statistics.are_on():
            return False
        now = round(time.time())
        entries = self._read() | {key: StoredInterval(value, now) for key, value in values.items()}
        text = json.dumps(asdict(_File(_SCHEMA, identity(), entries)), indent=1)
        partial = self.path.with_suffix(f".{os.getpid()}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(text + "\n")
            partial.replace(self.path)
        except OSError:
            with suppress(OSError):
                partial.unlink()
        return True

    def _read(self) -> dict[str, StoredInterval]:
        """Return what is stored; nothing for a file that is damaged, or of another machine."""
        try:
            stored = read_json(self.path, _File)
        except OverheadError:
            return {}
        same = stored.schema == _SCHEMA and stored.machine == identity()
        return stored.entries if same else {}


def identity() -> dict[str, Any]:
    """Return what makes values comparable."""
    kernel = os.uname()
    return {
        "release": kernel.release,
        "build": kernel.version,
        "architecture": kernel.machine,
        "cpu": machine.describe().cpu.model,
        "clock": clock.current().name,
    }
