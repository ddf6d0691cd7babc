"""Whether what a probe adds depends on what the call itself costs."""

from __future__ import annotations

from ebpf_overhead.report.case_rows import ROWS, OverheadHead
from ebpf_overhead.studies.grid import study as grid
from ebpf_overhead.studies.study import Defaults, Figure, Study
from ebpf_overhead.studies.targets import figure
from ebpf_overhead.workload.workloads import BY_COST

ABOUT = """Measure whether what a probe costs depends on what the call itself costs.

The same probes are measured on every system call that can be a workload.
"""
STUDY = Study(
    ROWS,
    OverheadHead,
    grid.tables,
    grid.notes,
    Figure(figure.markdown, figure.draw),
    Defaults(
        ABOUT,
        program=("empty", "simple"),
        workload=BY_COST,
    ),
)
