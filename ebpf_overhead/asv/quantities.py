"""The numbers of a result that asv stored, named as those of records are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import Any

from ebpf_overhead.asv import stored
from ebpf_overhead.measure.stats import CONFIDENCE, Interval, median
from ebpf_overhead.reading import convert, read_json
from ebpf_overhead.report.quantities import BASELINE, INSTRUCTIONS, Quantity
from ebpf_overhead.report.side import Side

_GETPID = "getpid"
# Files of benchmarks with the parameters attach type and program; their workload is getpid.
_ON_GETPID = (_GETPID, "tracepoints", "programs")
# Those with the workload as their third.
_BY_WORKLOAD = ("targets", "workloads")
# Counted values that vary by more are no exact ones: calls that start processes are not alike.
_EXACT_WIDTH = 1.0
# Said again by others: where a class has `track_overhead`, the two numbers that it is made of, and
# the same by asv's own clock, which measures them at different times.
_PARTS = ("track_baseline", "track_instructions", "track_probed")
_APART = ("Probed", "Unprobed")
_NS_PER_S = 1e9


class StoredSide:
    """A result of asv's with what is needed to compare it.

    Parameters
    ----------
    conf_path : Path
        The configuration that it belongs to.
    result : asv.results.Results
        The result.

    Attributes
    ----------
    commit, environment, machine, clock : str
        What it is of.
    measured_at : float
        When, in milliseconds since 1970.
    is_of_variant : bool
        Whether it is of a guest with boot arguments, or a CPU model, of its own.
    """

    def __init__(self, conf_path: Path, result: Any) -> None:
        self._conf_path = conf_path
        self._result = result
        self.commit = str(result.commit_hash)
        self.environment = str(result.env_name)
        self.machine = str(result.params.get("machine", ""))
        self.clock = str(result.env_vars.get("CLOCK", "wall"))
        self.measured_at = stored.measured_at(result)
        self.is_of_variant = stored.is_of_variant(result)

    @property
    def is_counted(self) -> bool:
        """Whether it has instructions, and so is of no host."""
        return self.clock == "icount"

    def called(self, name: str) -> Side:
        """Return its numbers, under a name.

        Raises
        ------
        FailedError
            The file is damaged.
        """
        with stored.naming_files(self._conf_path):
            reasons = {
                of: reason
                for (benchmark, *row), reason in stored.reasons_of(
                    self._conf_path, self._result
                ).items()
                if not self._is_part(benchmark)
                for of in [_of(benchmark, tuple(map(str, row)))]
            }
            quantities = tuple(self._quantities())
        have = {each.of for each in quantities}
        return Side(
            name=name,
            about=self._about(),
            basis=self._basis(),
            quantities=quantities,
            reasons={of: why for of, why in reasons.items() if of not in have},
        )

    def _about(self) -> str:
        day = datetime.fromtimestamp(self.measured_at / 1000, tz=timezone.utc)
        if self.is_counted:
            return f"instructions, in a guest, {day:%Y-%m-%d}"
        return f"{self.environment}, on {self.machine}, {day:%Y-%m-%d}"

    def _basis(self) -> dict[str, str]:
        variables, params = self._result.env_vars, self._result.params
        of_host = {} if self.is_counted else {"machine": self.machine}
        found = {
            "clock": self.clock,
            "accelerator": variables.get("ACCEL"),
            "CPU": variables.get("CPU") if self.is_counted else params.get("cpu"),
            "architecture": params.get("arch"),
            **of_host,
        }
        return {name: str(value) for name, value in found.items() if value}

    def _quantities(self) -> Iterator[Quantity]:
        yield from self._baseline()
        seen: set[tuple[str, tuple[str, ...]]] = set()  # Two benchmarks may have one case.
        for benchmark in self._result.get_all_result_keys():
            if self._is_part(benchmark):
                continue
            unit = self._units.get(benchmark) or _likely_unit(benchmark)
            method = benchmark.rpartition(".")[2]
            for row, stat in stored.by_parameters(self._result, benchmark).items():
                of = _of(benchmark, tuple(map(str, row)))
                if stat is not None and (method, of) not in seen:
                    seen.add((method, of))
                    value = interval_of(stat, _NS_PER_S if unit == "seconds" else 1.0)
                    exact = unit == INSTRUCTIONS and value.half_width <= _EXACT_WIDTH
                    yield Quantity(
                        what=method.partition("_")[2].replace("_", " "),
                        of=of,
                        asked=of,
                        unit="ns" if unit == "seconds" else unit,
                        value=value,
                        exact=exact,
                        known=exact or "ci_99_a" in stat,
                    )

    def _baseline(self) -> Iterator[Quantity]:
        """Yield the call with nothing attached, once for all cases that it belongs to."""
        for name, unit in (("Instructions", INSTRUCTIONS), ("Overhead", "ns")):
            rows = stored.by_parameters(self._result, f"{_GETPID}.{name}.track_baseline")
            if values := [each["value"] for each in rows.values() if each]:
                exact, found = unit == INSTRUCTIONS, median(values)
                value = Interval(found, found, found, CONFIDENCE)
                yield Quantity(
                    what=BASELINE, of=(_GETPID,), unit=unit, value=value, exact=exact, known=exact
                )

    def _is_part(self, benchmark: str) -> bool:
        group, method = benchmark.rpartition(".")[::2]
        file, _, name = group.partition(".")
        names = self._result.get_all_result_keys()
        if name in _APART:
            return f"{file}.Overhead.track_overhead" in names
        return method in _PARTS and f"{group}.track_overhead" in names

    @cached_property
    def _units(self) -> dict[str, str]:
        """The units of benchmarks, as asv stores them beside the results."""
        path = stored.results_folder(self._conf_path) / "benchmarks.json"
        if not path.exists():
            return {}
        found = read_json(path, dict[str, Any], remedy="delete the file")
        known = {name: each for name, each in found.items() if isinstance(each, Mapping)}
        return {
            name: convert(each.get("unit", ""), str, f"{path}: {name}")
            for name, each in known.items()
        }


def _of(benchmark: str, row: tuple[str, ...]) -> tuple[str, ...]:
    """Return what a benchmark with these parameters is of, workload first."""
    file = benchmark.partition(".")[0]
    if file in _ON_GETPID:
        return (_GETPID, *row)
    if file in _BY_WORKLOAD and len(row) == 3:
        return (row[2], *row[:2])
    if file == "attach_types" and row and "/" in row[0]:
        return (*row[0].split("/", 1), *row[1:])
    return (file.replace("_", " "), *row)


def _likely_unit(benchmark: str) -> str:
    if ".time_" in benchmark:
        return "seconds"
    return INSTRUCTIONS if "Instructions." in benchmark else "ns"


def interval_of(stat: Mapping[str, float], factor: float = 1.0) -> Interval:
    """Return a number that asv stored, with its interval; without one it counts as exact."""
    value = stat["value"]
    low, high = stat.get("ci_99_a", value), stat.get("ci_99_b", value)
    return Interval(value * factor, low * factor, high * factor, CONFIDENCE)
