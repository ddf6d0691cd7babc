"""The numbers of a record, each with what it is of: what two results are compared by.

Knows no study: whatever has an estimate and its bounds is a quantity, and what it is of are the
names on the way to it.  So a study or a tool that is added can be compared at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from ebpf_overhead.kernels.versions import looks_like_version
from ebpf_overhead.measure.stats import CONFIDENCE, Interval, median
from ebpf_overhead.report.record import Record, caller, why_not

BASELINE = "call without a probe"
INSTRUCTIONS = "instructions"
OF_A_CORE = "of a core"

# What says what a number is of, in this order.
_NAMES = (
    *("kernel", "target", "workload", "place", "kind", "name", "object", "attach", "program"),
    *("state", "map_type", "key_bytes", "value_bytes", "entries"),
    *("part", "check", "point", "via"),
)
# Said again by another number, or no result of what was asked.
_LEFT_OUT = {
    *("samples", "by_process", "overhead_percent", "overhead_median", "differences", "noise"),
    *("machine", "machines", "guest", "options", "phases_s", "own_cost", "own", "budget"),
    "filters",
}
# Numbers without an interval that are results all the same.
_PLAIN = {
    *("events_per_second", "calls_per_second", "runs_per_second", "average", "average_corrected"),
    *("50", "90", "99", "99.9", "reported_a_run", "run_time_reported", "per_call", "counted"),
}
# What counts, and so is either the same or not.
_COUNTS = {"counted"}


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """A number of a result.

    Attributes
    ----------
    what : str
        What was measured: ``overhead``.
    of : tuple of str
        What it is of: workload, attach type, program.
    unit : str
        Its unit.
    value : Interval
        The number; where no interval is known, its bounds are the number itself.
    exact : bool
        Whether it was counted, and so repeats.
    known : bool
        Whether its interval is known, or none is needed.
    case : int, optional
        The place of the case among those of the record.
    asked : tuple of str
        The names of the case that it belongs to.
    tag : str
        Tag of the program that ran, where it is known.
    """

    what: str
    of: tuple[str, ...]
    unit: str
    value: Interval
    exact: bool = False
    known: bool = True
    case: int | None = None
    asked: tuple[str, ...] = ()
    tag: str = ""

    @property
    def key(self) -> tuple[str, tuple[str, ...], str]:
        """What it shares with the same number of another result."""
        return self.what, self.of, self.unit

    def without(self, name: str) -> Quantity:
        """Return it without one of the names that it is of."""
        # Two programs are other instructions anyway; on two kernels one should be the same.
        tag = self.tag if looks_like_version(name) else ""
        return replace(self, of=without(self.of, name), asked=without(self.asked, name), tag=tag)


def without(of: tuple[str, ...], name: str) -> tuple[str, ...]:
    """Return names without one of them: neither by itself, nor before those of its parts."""
    return tuple(each.removeprefix(f"{name}:") for each in of if each != name)


def plain(number: float) -> Interval:
    """Return a number without an interval."""
    return Interval(number, number, number, CONFIDENCE)


def quantities(record: Record) -> list[Quantity]:
    """Return the numbers of a record of any study or tool."""
    unit = str(record.get("unit", "ns"))
    found = list(_walk({k: v for k, v in record.items() if k != "cases"}, (), "", unit))
    for place, case in enumerate(record.get("cases", ())):
        asked = _asked(case)
        rest = {name: value for name, value in case.items() if name not in _NAMES}
        found += (
            replace(each, case=place, asked=asked, tag=str(case.get("program_tag") or ""))
            for each in _walk(rest, asked, "", str(case.get("unit", unit)))
        )
    return [*_baselines(record), *found]


def reasons(record: Record) -> dict[tuple[str, ...], str]:
    """Return why cases of a record have no numbers, by their names."""
    return {
        _asked(case): why_not({"reason": None, "remedy": None, **case})
        for case in record.get("cases", ())
        if case.get("status") in ("unsupported", "refused", "failed")
    }


def _asked(case: Mapping[str, Any]) -> tuple[str, ...]:
    """Return all names of a case, its conditions included."""
    names = list(_own_names(case))
    if "bystander" in case:
        names.append(f"seen by {caller(dict(case))}")
    if beside := case.get("beside"):
        others = ", ".join(f"{number} {name}" for name, number in beside["programs"].items())
        names.append(f"{'together with' if beside['together'] else 'beside'} {others}")
    if case.get("statistics"):
        names.append("with statistics")
    return tuple(names)


def _own_names(value: Mapping[str, Any]) -> Iterator[str]:
    for name in _NAMES:
        if isinstance(found := value.get(name), (str, int)):
            yield f"{found} {name.replace('_', ' ')}" if isinstance(found, int) else found


def _walk(
    value: Mapping[str, Any], of: tuple[str, ...], what: str, unit: str
) -> Iterator[Quantity]:
    for name, each in value.items():
        if name in _LEFT_OUT:
            continue
        path = " ".join(filter(None, (what, _in_words(name))))
        its_unit = _unit(name, unit, value)
        if isinstance(each, Mapping) and {"estimate", "low", "high"} <= each.keys():
            bounds = {"confidence": CONFIDENCE, **each}
            found = Interval(**{n: bounds[n] for n in ("estimate", "low", "high", "confidence")})
            exact = its_unit == INSTRUCTIONS
            yield Quantity(what=path, of=of, unit=its_unit, value=found, exact=exact)
        elif isinstance(each, Mapping):
            yield from _walk(each, (*of, *_own_names(each)), path, its_unit)
        elif isinstance(each, list):
            for item in each:
                if isinstance(item, Mapping):
                    names = (*of, *_own_names(item), *_cpus(item))
                    yield from _walk(item, names, path, its_unit)
        elif name in _PLAIN and isinstance(each, (int, float)):
            exact = its_unit == INSTRUCTIONS or name in _COUNTS
            value_of = plain(float(each))
            yield Quantity(
                what=path, of=of, unit=its_unit, value=value_of, exact=exact, known=exact
            )


def _cpus(point: Mapping[str, Any]) -> tuple[str, ...]:
    return (f"{len(point['cpus'])} CPUs",) if isinstance(point.get("cpus"), list) else ()


def _in_words(name: str) -> str:
    hidden = name in ("operations", "points", "places", "programs", "passes", "profiles")
    return "" if hidden else name.removesuffix("_ns").replace("_", " ")


def _unit(name: str, unit: str, beside: Mapping[str, Any]) -> str:
    if name.endswith("_ns"):
        return "ns"
    if name == "cpu":
        return str(beside.get("cpu_unit", unit))
    for part, its_unit in (
        ("share", OF_A_CORE),
        ("efficiency", "of one CPU's"),
        ("per_sec", "/s"),
    ):
        if part in name:
            return its_unit
    return {"throughput": "/s", "baseline_throughput": "/s", "counted": "times"}.get(name, unit)


def _baselines(record: Record) -> Iterator[Quantity]:
    """Yield what each workload takes by itself, once for all cases that say it."""
    rows = [case for case in record.get("cases", ()) if "overhead" in case and "baseline" in case]
    alone = [case for case in rows if not {"bystander", "beside", "statistics"} & case.keys()]

    def where(case: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(str(case[name]) for name in ("kernel", "target") if name in case)

    for of, cases in groupby(sorted(alone, key=where), where):
        each = list(cases)
        unit, exact = str(each[0]["unit"]), each[0]["unit"] == INSTRUCTIONS
        found = median(case.get("undisturbed", {}).get("baseline", _median(case)) for case in each)
        # By time it has no interval: it says as much of the minute as of the kernel.
        yield Quantity(
            what=BASELINE, of=of, unit=unit, value=plain(found), exact=exact, known=exact
        )


def _median(case: Mapping[str, Any]) -> float:
    return float(case["baseline"]["median"])
