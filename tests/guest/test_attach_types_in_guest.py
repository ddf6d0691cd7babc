"""Every attach type on the newest kernel, if that has them all."""

from __future__ import annotations

import json

import pytest
from processes import run_command

from ebpf_overhead.hooks.cases import select
from ebpf_overhead.kernels.versions import version_key
from ebpf_overhead.workload.workloads import STANDARD_WORKLOADS

CHEAP = {each.attach.name for each in select(["all"], ["empty"]) if each.workload.few_calls >= 20}
CASES = select(CHEAP, ["empty"])
# The first kernel that has every attach type.
ALL_SINCE = version_key("7.2")


@pytest.fixture(scope="module")
def measured(kernels, tmp_path_factory):
    """The empty program at every attach type that has a target whose calls are cheap."""
    newest = kernels[-1]
    if version_key(newest.record.version) < ALL_SINCE:
        pytest.skip(f"{newest.release} lacks some: ebpf-overhead kernels add 7.3")
    path = tmp_path_factory.mktemp("attach-types") / "result.json"
    run = run_command(
        "measure", f"--kernel={newest.release}", "--program=empty", "--time=3s",
        *(f"--attach={name}" for name in sorted(CHEAP)),
        "--format=json", f"--output={path}", timeout=500,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    cases = json.loads(path.read_text())["cases"]
    return {(case["target"], case["attach"]): case for case in cases}


def steady(target: str) -> bool:
    """Whether each call takes what the last one took."""
    return target in STANDARD_WORKLOADS


def test_every_attach_type_is_measured_and_proven(measured):
    assert list(measured) == [(case.workload.name, case.attach.name) for case in CASES]
    for case in CASES:
        found = measured[case.workload.name, case.attach.name]
        assert found["status"] == "measured", (case.name, found["reason"])
        assert found["hits"] == found["calls"] * case.runs_per_call, case.name
        assert found["calls"] >= 2 * case.workload.checked_calls, case.name
        # What others do is in a call of several tasks, and more than a probe costs.
        least = found["overhead"]["estimate" if steady(found["target"]) else "high"]
        assert least > 20, case.name


def test_baseline_is_that_of_the_target(measured):
    by_target: dict[str, list[float]] = {}
    for (target, _), case in measured.items():
        # Two readings of the clock, shared by the calls of a window.
        reading = 82 / case["calls_per_window"]
        by_target.setdefault(target, []).append(case["baseline"]["median"] - reading)
    for target, baselines in by_target.items():
        if not steady(target):
            continue
        # What the network does differs a little from boot to boot, and within one.
        within = 0.05 if target.startswith("packet") else 0.01
        # Reading the clock takes a few instructions more in a tick that reaches into the next
        # second, and the readings are shared by a hundred calls or more.
        assert max(baselines) - min(baselines) < max(within * min(baselines), 0.15), target
    # Call, return, two of the loop, and what is in the function: as the disassembly shows.
    least = {target: min(baselines) for target, baselines in by_target.items()}
    for target, instructions in {"function": 5, "function_push": 6, "function_ret": 4}.items():
        assert instructions - 0.02 <= least[target] <= instructions + 0.06, target
    assert least["function_push"] - least["function"] == pytest.approx(1, abs=0.06)
    assert least["function"] - least["function_ret"] == pytest.approx(1, abs=0.06)


def test_paths_are_the_ones_they_are_called_after(measured):
    def overhead(attach: str, target: str = "getpid") -> float:
        return measured[target, attach]["overhead"]["estimate"]

    # A breakpoint inside the function costs more than ftrace's nop at its entry, and both ends
    # more than one.
    assert overhead("fentry") < overhead("kprobe_multi") < overhead("kprobe")
    assert overhead("kprobe") < overhead("kprobe_offset")
    assert overhead("kprobe_multi") < overhead("kretprobe_multi") < overhead("kprobe_session")
    assert overhead("fentry") < overhead("fexit") < overhead("fsession")
    # A link to several functions makes a trampoline for each.
    for single in ("fentry", "fexit", "fsession"):
        assert overhead(f"{single}_multi") == pytest.approx(overhead(single), abs=1)
    # ret is executed out of line and single-stepped: a second exception.
    assert overhead("uprobe", "function") + 300 < overhead("uprobe", "function_ret")
