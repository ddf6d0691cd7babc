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

from ebpf_overhead import clock, machine
from ebpf_overhead.kernels.layout import default_layout
from ebpf_overhead.stats import Interval


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
        entry = self._read().get(key)
        if entry is None:
            return None
        return StoredInterval(Interval(**entry["interval"]), entry["measured_at"])

    def put(self, values: dict[str, Interval]) -> None:
        """Store values; a place that cannot be written to is no reason to fail."""
        now = round(time.time())
        entries = self._read()
        entries |= {k: {"interval": asdict(v), "measured_at": now} for k, v in values.items()}
        text = json.dumps({"schema": 1, "machine": _identity(), "entries": entries}, indent=1)
        partial = self.path.with_suffix(f".{os.getpid()}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(text + "\n")
            partial.replace(self.path)
        except OSError:
            with suppress(OSError):
                partial.unlink()

    def _read(self) -> dict[str, Any]:
        try:
            stored = json.loads(self.path.read_text())
        except (OSError, ValueError):
            return {}
        if stored.get("schema") != 1 or stored.get("machine") != _identity():
            return {}
        entries: dict[str, Any] = stored["entries"]
        return entries


def _identity() -> dict[str, Any]:
    """Return what makes values comparable."""
    kernel = os.uname()
    return {
        "release": kernel.release,
        "build": kernel.version,
        "architecture": kernel.machine,
        "cpu": machine.describe().cpu.model,
        "clock": clock.current().name,
    }
