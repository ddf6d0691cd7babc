"""Records that commands wrote, and what asv stored."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from formats import (
    RECORDS,
    RELEASE,
    RESULTS,
    USER_ERRORS,
    documents,
    put,
    run,
)
from records import record

from ebpf_overhead.asv import history as asv_history
from ebpf_overhead.asv import merging
from ebpf_overhead.asv.results import latest_record
from ebpf_overhead.errors import OverheadError
from ebpf_overhead.measure import cost_cache
from ebpf_overhead.measure.cost_cache import Store
from ebpf_overhead.measure.earlier_runs import EarlierRuns
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.tools.estimate import event_cost

# Records that commands wrote.


def recorded(name: str) -> Any:
    return json.loads((RECORDS / f"{name}_1.json").read_text())


def plotting(study: str) -> Callable[[bytes, Path], object]:
    def plot(content: bytes, place: Path) -> None:
        run("plot", study, str(put(place, "record.json", content)))

    return plot


DRAWN = {
    "targets": ["measure", "measure_guest"],
    "bystanders": ["bystanders"],
    "coattachment": ["cohabitation"],
    "scaling": ["scaling"],
    "map-state": ["map_state"],
    "attach-latency": ["attach_latency"],
}
for study, names in DRAWN.items():
    documents(f"record of {study}", [*map(recorded, names)], plotting(study), answers=USER_ERRORS)


def decompose(content: bytes, place: Path) -> None:
    beside = str(put(place, "beside.json", json.dumps(recorded("beside")).encode()))
    path = str(put(place, "record.json", content))
    run("study", "decomposition", path, "--format", "markdown")
    run("study", "decomposition", path, "--beside", beside, "--json")


documents("record of measure", [recorded("measure")], decompose, answers=USER_ERRORS)


def compare(content: bytes, place: Path) -> None:
    path = str(put(place, "record.json", content))
    run("compare", path, path, "--all")
    run("compare", f"{path}:getpid", f"{path}:getpid", "--json", "--fail-on", "5%")


COMPARED = ["measure", "measure_guest", "cohabitation", "scaling", "attach_latency", "validation"]
documents("two results", [recorded(each) for each in COMPARED], compare, answers=USER_ERRORS)


def compare_tools(content: bytes, place: Path) -> None:
    path = str(put(place, "record.json", content))
    run("compare", path, path, "--all", "--format", "markdown")


TOOLS = [recorded("estimate"), recorded("top")]
documents("two results of tools", TOOLS, compare_tools, answers=USER_ERRORS)


def results_of(release: str) -> Any:
    given = record()
    given["machine"]["kernel"]["release"] = release
    return given


documents(
    "results for estimate",
    [results_of(os.uname().release)],
    lambda content, place: event_cost.read_results(put(place, "results.json", content)),
)


def stored_costs(content: bytes, place: Path) -> None:
    store_ = Store(put(place, "costs.json", content))
    store_.find("a")
    # Nothing is stored while somebody has the kernel's run statistics on.
    if store_.put({"b": Interval(1, 0, 2, 0.99)}):
        assert store_.get("b") is not None


STORED = {
    "schema": 1,
    "machine": cost_cache.identity(),
    "entries": {
        "a": {
            "interval": {"estimate": 1.0, "low": 0.5, "high": 2.0, "confidence": 0.99},
            "measured_at": 1.0,
        }
    },
}
documents("stored costs", [STORED], stored_costs)
RUNS = {
    "machine": cost_cache.identity(),
    "runs": [{"a": {"overhead": 50.0 + number, "probed": 150.0}} for number in range(3)],
}
documents(
    "earlier runs",
    [RUNS],
    lambda content, place: EarlierRuns(put(place, "runs.json", content)).scatter().margin(100.0),
)


# What asv stored.

ASV = json.loads(min(RESULTS.glob("*-kernel-*.json")).read_text())
ASV["env_vars"]["KERNEL"] = RELEASE
ASV_MACHINE = json.loads((RESULTS / "machine.json").read_text())
ASV_CONFIG = {"version": 1, "repo": ".", "results_dir": "results", "benchmark_dir": "b"}


def asv_files(place: Path, **files: bytes) -> Path:
    whole = {"result": ASV, "machine": ASV_MACHINE, "config": ASV_CONFIG}
    texts = {name: files.get(name, json.dumps(value).encode()) for name, value in whole.items()}
    put(place, "results/vm/machine.json", texts["machine"])
    put(place, "results/vm/12345678-kernel.json", texts["result"])
    return put(place, "asv.conf.json", texts["config"])


def reporting(name: str) -> Callable[[bytes, Path], object]:
    def use(content: bytes, place: Path) -> None:
        path = asv_files(place, **{name: content})
        kernel = asv_history.NamedKernel(ASV["commit_hash"], "6.1.0-1", "6.1.0-1")
        with contextlib.suppress(OverheadError):
            asv_history.costs(path, [kernel])
        latest_record(path, kernel=RELEASE)

    return use


documents("result of asv", [ASV], reporting("result"))
documents("machine of asv", [ASV_MACHINE], reporting("machine"))
documents("configuration of asv", [ASV_CONFIG], reporting("config"))
documents(
    "result to be merged",
    [ASV],
    lambda content, place: merging.merge(asv_files(place, result=content).parent, place / "to"),
)
