"""Where something was measured: a kernel in a guest, or a machine; and the numbers from there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ebpf_overhead.asv import stored
from ebpf_overhead.asv.history import NamedKernel
from ebpf_overhead.asv.quantities import interval_of
from ebpf_overhead.kernels.versions import upstream
from ebpf_overhead.measure.stats import Interval

# Combination of a benchmark's parameters.
Row = tuple[Any, ...]


@dataclass(frozen=True)
class MeasuredPlace:
    """A kernel on a machine, or in a guest that counts instructions.

    Attributes
    ----------
    conf_path : Path
        asv's configuration.
    name, label : str
        What it is called in full, and on an axis.
    release : str
        The kernel.
    counted : bool
        Whether its numbers are instructions, and not ns.
    results : dict
        Benchmark -> asv's newest result that has it.
    architecture : str
        That of a guest; empty for a machine.
    """

    conf_path: Path
    name: str
    label: str
    release: str
    counted: bool
    results: Mapping[str, Any]
    architecture: str = ""

    def about(self, benchmark: str) -> str:
        """Return how and when a benchmark was measured."""
        began_ms = self.results[benchmark].started_at.get(benchmark, 0)
        day = datetime.fromtimestamp(began_ms / 1000, tz=timezone.utc)
        how = "instructions, in a guest" if self.counted else "on the machine"
        return f"{how}, {day:%Y-%m-%d}"

    @property
    def filters(self) -> dict[str, str]:
        """Return what tells its graphs from others in the addresses of asv's pages."""
        result = next(iter(self.results.values()))
        # The architecture has a page of its own where asv has results of two.
        facts = {"machine": "machine", "arch": "f-arch"}
        known = {at: str(result.params.get(name, "")) for name, at in facts.items()}
        return {**known, **{f"f-env-{k}": str(v) for k, v in sorted(result.env_vars.items())}}

    def numbers(self, benchmark: str) -> dict[Row, Interval]:
        """Return a benchmark's values, for each combination that has one."""
        result = self.results.get(benchmark)
        found = stored.by_parameters(result, benchmark) if result is not None else {}
        return {row: interval_of(each) for row, each in found.items() if each is not None}

    def reasons(self, benchmark: str) -> dict[Row, str]:
        """Return why a benchmark has no value, for each combination of which that is stored."""
        result = self.results.get(benchmark)
        if result is None:
            return {}
        reasons = stored.reasons_of(self.conf_path, result)
        return {tuple(row): why for (name, *row), why in reasons.items() if name == benchmark}


def of_kernels(conf_path: Path, kernels: Iterable[NamedKernel]) -> Iterator[MeasuredPlace]:
    """Yield the kernels of a history that were measured, in its order; where revisions are kernels.

    Parameters
    ----------
    conf_path : Path
        asv's configuration for kernels.
    kernels : iterable of NamedKernel
        The kernels.
    """
    by_commit = _grouped(conf_path, lambda result: str(result.commit_hash))
    for kernel in kernels:
        for counted, results in _by_clock(by_commit.get(kernel.commit, ())):
            label = upstream(kernel.version)
            yield MeasuredPlace(
                *(conf_path, kernel.release, label, kernel.release, counted, results),
                kernel.architecture if counted else "",
            )


def of_machines(conf_path: Path) -> Iterator[MeasuredPlace]:
    """Yield each kernel of each machine; where revisions are commits."""
    groups = _grouped(
        conf_path,
        lambda result: (str(result.params.get("machine")), str(result.env_vars.get("KERNEL", ""))),
    )
    for (machine, release), found in sorted(groups.items()):
        name = ", ".join(filter(None, (machine, release)))
        for counted, results in _by_clock(found):
            yield MeasuredPlace(conf_path, name, name, release, counted, results)


def _grouped(conf_path: Path, key: Any) -> dict[Any, list[Any]]:
    groups: dict[Any, list[Any]] = {}
    for result in sorted(stored.usual_results(conf_path), key=stored.measured_at):
        groups.setdefault(key(result), []).append(result)
    return groups


def _by_clock(results: Sequence[Any]) -> Iterator[tuple[bool, dict[str, Any]]]:
    """Yield the newest result of each benchmark that has any value: the counted, the timed."""
    newest = {
        name: result
        for result in results
        for name in sorted(result.get_all_result_keys())
        if any(stored.by_parameters(result, name).values())
    }
    for counted in (True, False):
        found = {name: each for name, each in newest.items() if _is_counted(name) == counted}
        if found:
            yield counted, found


def _is_counted(benchmark: str) -> bool:
    return "Instructions." in benchmark
