"""What ``measure``, ``estimate``, ``impact`` and ``top`` found, as metrics (docs/metrics.md)."""

from __future__ import annotations

from typing import Any

from ebpf_overhead.report.openmetrics import Metrics, add_time
from ebpf_overhead.report.record import Record, caller

# Unit of a record -> (unit of the metrics, what a value is multiplied with).
_BASE_UNITS = {"ns": ("seconds", 1e-9), "instructions": ("instructions", 1.0)}


def of_measure(record: Record) -> str:
    """Return a record of ``measure`` as OpenMetrics text."""
    metrics = Metrics({"kernel": record["machine"]["kernel"]["release"]})
    for case in record["cases"]:
        _add_case(metrics, case)
    add_time(metrics, "measure")
    return metrics.text()


def _add_case(metrics: Metrics, case: dict[str, Any]) -> None:
    labels = _labels(case)
    metrics.add(
        "probe_measured",
        "Whether the probe could be measured on this kernel (1), or not (0; see status).",
        float(case["status"] == "measured"),
        **labels,
        status=case["status"],
    )
    if case["status"] != "measured":
        return
    unit, factor = _BASE_UNITS[case["unit"]]
    metrics.add_interval(
        f"probe_cost_{unit}",
        "What the probe adds to one call of its target.",
        case["overhead"],
        factor,
        **labels,
    )
    for which, text in (("baseline", "without the probe"), ("probed", "with the probe")):
        median = case[which]["median"] * factor
        metrics.add(f"call_{which}_{unit}", f"One call of the target {text}.", median, **labels)
    for name, text in _COUNTS.items():
        metrics.add(f"probe_{name}", text, case[name], **labels)


def _labels(case: dict[str, Any]) -> dict[str, str]:
    named = ("target", "attach", "program", "kernel")
    labels = {name: case[name] for name in named if name in case}
    if "bystander" in case:
        labels["caller"] = caller(case)
    if "beside" in case:
        programs = case["beside"]["programs"].items()
        labels["beside"] = ",".join(f"{name}:{number}" for name, number in programs)
        labels["overhead_of"] = "all" if case["beside"]["together"] else "last"
    return labels


_COUNTS = {
    "calls": "Calls made to prove that the probe fires.",
    "hits": "Runs of the probe that these calls caused, as the kernel counted them.",
    "missed": "Runs that the kernel left out, because the program ran on that CPU already.",
    "lost_updates": "Updates of the program's map that failed.",
}


def of_estimate(record: dict[str, Any]) -> str:
    """Return a record of ``estimate`` as OpenMetrics text."""
    # Of several estimates, each a file in one directory, no two samples have the same labels.
    places = ",".join(place["name"] for place in record["places"])
    metrics = Metrics({"kernel": record["kernel"], "places": places})
    unit, factor = _BASE_UNITS[record["unit"]]
    for place in record["places"]:
        _add_place(metrics, place, unit, factor)
    for name, text in _SHARES.items():
        metrics.add_interval(f"estimate_{name}_ratio", text, record[f"{name}_share"])
    latency = record["latency"] or {}
    average = latency.get("average_corrected")
    if average is not None:
        text = "How long a call of the busiest place takes now."
        name = f"estimate_target_latency_{unit}"
        metrics.add(name, text, average * factor, place=latency["place"])
    text = "What the probe adds to a call of the busiest place, as a share of it."
    metrics.add("estimate_added_latency_ratio", text, record["added_latency"])
    for each in record["alternatives"]:
        text = "The same for each attach type that could serve, share of one core."
        name, labels = "estimate_alternative_core_ratio", {"attach": each["attach"]}
        metrics.add_interval(name, text, each["total_core_share"], **labels)
    _add_budget(metrics, record["budget"])
    add_time(metrics, "estimate")
    return metrics.text()


_SHARES = {
    "total_core": "What the probes would take in all, bystanders included, share of one core.",
    "bystanders_core": "What other system calls would pay, share of one core.",
    "machine": "What the probes would take in all, share of all CPUs.",
    "counting_core": "What the counting itself took while it ran, share of one core.",
}


def _add_place(metrics: Metrics, place: dict[str, Any], unit: str, factor: float) -> None:
    labels = {name: place[name] for name in ("kind", "attach", "program")}
    labels = {"place": place["name"], **labels}
    for name, text in _RATES.items():
        metrics.add(f"estimate_{name}", text, place[name], **labels)
    text = "What the probe would add to one event."
    metrics.add_interval(f"estimate_event_cost_{unit}", text, place["overhead"], factor, **labels)
    text = "What the probe would take at this rate, share of one core."
    metrics.add_interval("estimate_core_ratio", text, place["core_share"], **labels)


_RATES = {
    "events_per_second": "How often the place runs, on average.",
    "peak_events_per_second": "How often the place ran in its busiest second.",
}


def _add_budget(metrics: Metrics, budget: dict[str, Any] | None) -> None:
    if budget is None:
        return
    metrics.add(
        "estimate_budget_core_ratio", "The limit given, share of one core.", budget["share"]
    )
    metrics.add(
        "estimate_within_budget",
        "Whether all of the interval is within the limit (1), or not (0).",
        float(budget["verdict"] == "yes"),
    )


def of_impact(record: Record) -> str:
    """Return a record of ``impact`` as OpenMetrics text."""
    metrics = Metrics({"kernel": record["kernel"], "tool": " ".join(record["tool"]["start"])})
    unit, factor = _BASE_UNITS[record["unit"]]
    for case in record["cases"]:
        if case["status"] != "measured":
            continue
        labels = {"target": case["workload"]}
        text = "What the tool adds to one call of its target."
        metrics.add_interval(f"impact_cost_{unit}", text, case["difference"], factor, **labels)
        text = "The same as a share of one call without the tool."
        metrics.add_interval("impact_ratio", text, case["share"], **labels)
    for name, text in _OF_TOOL.items():
        metrics.add(f"impact_{name}", text, record["tool"][name.replace("ratio", "share")])
    add_time(metrics, "impact")
    return metrics.text()


_OF_TOOL = {
    "core_ratio": "CPU time of the tool's processes while workloads ran, share of one core.",
    "resident_bytes": "Resident memory of the tool's processes.",
    "programs": "BPF programs that the tool loaded.",
}


def of_top(record: Record) -> Metrics:
    """Return a record of ``top`` as metrics."""
    metrics = Metrics({"kernel": record["kernel"]})
    unit, factor = _BASE_UNITS[record["unit"]]
    for program in record["programs"]:
        _add_program(metrics, program, unit, factor)
    for which, text in (("core", "one core"), ("machine", "all CPUs")):
        text = f"What all programs take, with a known slow path, share of {text}."
        metrics.add_interval(f"top_total_{which}_ratio", text, record[f"{which}_share"])
    text = "What the slow path of traced system calls takes, share of one core; part of the total."
    metrics.add_interval("top_slow_path_core_ratio", text, record["system_calls"]["core_share"])
    metrics.add("top_map_bytes", "Memory of all maps.", record["map_bytes"])
    text = "What watching takes itself, without the kernel's statistics, share of one core."
    metrics.add("top_own_core_ratio", text, record["own"]["core_share"])
    text = "What the kernel's statistics take, share of one core."
    metrics.add_interval("top_statistics_core_ratio", text, record["own"]["statistics_core_share"])
    add_time(metrics, "top")
    return metrics


def _add_program(metrics: Metrics, program: dict[str, Any], unit: str, factor: float) -> None:
    hooks = program["hooks"]
    labels = {
        **{name: str(program[name]) for name in ("id", "tag", "type")},
        "program": program["name"],
        "attach": ",".join(dict.fromkeys(hook["attach"] for hook in hooks)),
        "target": str(hooks[0]["target"]) if hooks else "",
    }
    for name, text in _OF_PROGRAM.items():
        metrics.add(f"top_program_{name}", text, program[name], **labels)
    reported, left_out = program["reported_a_run"], program["left_out_a_run"]
    if reported is not None:
        text = "A run of the program, as the kernel's statistics report it."
        metrics.add(f"top_program_reported_{unit}", text, reported * factor, **labels)
    text = "What reaching the program takes per run, which the statistics leave out."
    metrics.add_interval(f"top_program_dispatch_{unit}", text, left_out, factor, **labels)
    text = "What the program takes, share of one core; without dispatch where that is not known."
    metrics.add_interval("top_program_core_ratio", text, program["core_share"], 1.0, **labels)


_OF_PROGRAM = {
    "runs_per_second": "Runs of the program per second.",
    "missed": "Runs that the kernel skipped since the program was loaded, as it ran already.",
}
