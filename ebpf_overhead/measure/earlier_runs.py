"""What earlier runs on this machine found, and so how far runs lie apart.

A run sees nothing of what changes from minute to minute.  The last runs on the same machine and
kernel do.  Their overheads, as shares of the time per call, have a standard deviation, which is
combined with the one that is assumed of a machine without a history: each counts by its degrees of
freedom.  And one of them may have seen a quieter machine.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import chain
from math import isfinite
from pathlib import Path
from typing import Any

from ebpf_overhead.closing import write_atomically
from ebpf_overhead.errors import OverheadError
from ebpf_overhead.kernels.layout import default_layout
from ebpf_overhead.measure.cost_cache import identity
from ebpf_overhead.measure.result import Result
from ebpf_overhead.measure.undisturbed import Scatter
from ebpf_overhead.reading import read_json

_RUNS_MAX = 20


@dataclass(frozen=True)
class Found:
    """What a run found of a case.

    Attributes
    ----------
    overhead, probed : float
        What the probe adds to a call, and what the call takes with it, in ns.
    """

    overhead: float
    probed: float


@dataclass(frozen=True)
class Run:
    """What a run found.

    Attributes
    ----------
    cases : dict of str to Found
        By the names of those that were precise.
    quietest : dict of str to float
        By workload: the level of the quietest part without a hook, in ns per call.
    """

    cases: dict[str, Found]
    quietest: dict[str, float]


@dataclass(frozen=True)
class _RunsFile:
    machine: dict[str, Any]
    runs: list[Run]


class EarlierRuns:
    """The last runs on this machine and kernel.

    Parameters
    ----------
    path : Path, optional
        File to use; by default ``overheads/<release>-runs.json`` in the data directory.
    """

    def __init__(self, path: Path | None = None) -> None:
        folder = default_layout().root / "overheads"
        self.path = path or folder / f"{os.uname().release}-runs.json"

    def scatter(self) -> Scatter:
        """Return how far runs lie apart, and how quiet the machine was."""
        runs = self._read()
        quietest: dict[str, float] = {}
        for workload, level in chain.from_iterable(run.quietest.items() for run in runs):
            quietest[workload] = min(level, quietest.get(workload, level))
        return replace(combined(run.cases for run in runs), quietest=quietest)

    def add(self, results: Iterable[Result]) -> None:
        """Keep what a run found; a place that cannot be written to is no reason to fail."""
        cases: dict[str, Found] = {}
        quietest: dict[str, float] = {}
        for result in results:
            if (measured := result.measurement) is None or (levels := measured.levels) is None:
                continue
            if result.occupants:  # others have a share in what it took
                continue
            if result.case.bare:
                workload, level = result.case.workload.name, levels.baseline.quietest
                quietest[workload] = min(level, quietest.get(workload, level))
            # What is not precise lies apart for another reason.
            if measured.stopped_by == "precision":
                estimate = measured.overhead.estimate
                cases[result.name] = Found(estimate, levels.probed.estimate)
        if not quietest:
            return
        runs = [*self._read(), Run(cases, quietest)][-_RUNS_MAX:]
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path, json.dumps(asdict(_RunsFile(identity(), runs))) + "\n")

    def _read(self) -> list[Run]:
        """Return what is stored; nothing for a file that is damaged, or of another machine."""
        try:
            stored = read_json(self.path, _RunsFile)
        except OverheadError:
            return []
        return stored.runs if stored.machine == identity() else []


def combined(runs: Iterable[Mapping[str, Found]], assumed: Scatter | None = None) -> Scatter:
    """Return how far runs lie apart, from what they found and what is assumed without them.

    Parameters
    ----------
    runs : iterable of mapping of str to Found
        What each found, by case.
    assumed : Scatter, optional
        Of a machine without a history.
    """
    assumed = assumed or Scatter()
    shares: dict[str, list[float]] = {}
    for run in runs:
        for name, found in run.items():
            if found.probed > 0:
                shares.setdefault(name, []).append(found.overhead / found.probed)
    squares = [
        sum(apart * apart for each in of_case if (apart := each - sum(of_case) / len(of_case)))
        for of_case in shares.values()
    ]
    seen = sum(len(of_case) - 1 for of_case in shares.values())
    if not seen or not isfinite(sum(squares)):
        return assumed
    # Cases of one run were measured in the same minutes: they count as one.
    degrees = max(len(of_case) for of_case in shares.values()) - 1
    variance = assumed.degrees * assumed.relative**2 + degrees * sum(squares) / seen
    total = assumed.degrees + degrees
    return Scatter((variance / total) ** 0.5, total)
