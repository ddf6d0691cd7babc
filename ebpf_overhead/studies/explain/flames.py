"""Flame graphs of exact counts: the width of a frame is its instructions."""

from __future__ import annotations

from ebpf_overhead.errors import FailedError
from ebpf_overhead.report.record import Record, measured
from ebpf_overhead.tools.profile.flamegraph import Panel, draw
from ebpf_overhead.tools.profile.parts import target_of
from ebpf_overhead.tools.profile.stacks import unfold
from ebpf_overhead.workload.workloads import WORKLOADS


def draw_flames(record: Record) -> str:
    """Return the first case without and with its probe, as SVG.

    Raises
    ------
    FailedError
        No case was measured.
    """
    case = next(iter(measured(record)), None)
    if case is None:
        raise FailedError("no case was measured: there is nothing to draw")
    target = target_of(WORKLOADS[case["target"]], case["hook"])
    titles = {
        "unprobed": f"{case['target']}, no probe",
        "probed": f"{case['target']}, {case['attach']} {case['program']}, {case['kernel']}",
    }
    return draw(
        [
            Panel(
                title,
                unfold(case[f"{name}_stacks"]),
                target,
                case[name],
                "instructions per call",
                exact=True,
            )
            for name, title in titles.items()
        ]
    )
