"""What a tool itself takes: CPU time and memory of its processes, from /proc."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_RESIDENT = re.compile(r"^VmRSS:\s*(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True)
class ProcessUsage:
    """What some processes have taken until a moment.

    Attributes
    ----------
    at_s : float
        The moment, by the monotonic clock.
    cpu_s : dict of int to float
        CPU time of each process.
    resident_bytes : int
        Their resident memory together; what they share counts for each.
    """

    at_s: float
    cpu_s: dict[int, float]
    resident_bytes: int

    def cpu_since(self, earlier: ProcessUsage) -> float:
        """Return the CPU time since an earlier moment; of a new process, all."""
        return sum(now - earlier.cpu_s.get(pid, 0.0) for pid, now in self.cpu_s.items())


def usage_of(pids: Iterable[int], proc: Path = Path("/proc")) -> ProcessUsage:
    """Return what processes have taken until now."""
    cpu_s, resident = {}, 0
    for pid in pids:
        with suppress(OSError):  # it has ended meanwhile
            fields = (proc / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
            cpu_s[pid] = (int(fields[11]) + int(fields[12])) * _TICK_S
            found = _RESIDENT.search((proc / str(pid) / "status").read_text(errors="replace"))
            resident += 1024 * int(found[1]) if found else 0
    return ProcessUsage(time.monotonic(), cpu_s, resident)
