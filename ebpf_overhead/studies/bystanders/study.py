"""What other system calls and other processes pay for a probe."""

from __future__ import annotations

from ebpf_overhead.hooks.cases import Case
from ebpf_overhead.measure.bystander import seen_by_all
from ebpf_overhead.report.case_rows import ROWS, OverheadHead
from ebpf_overhead.studies.bystanders import figure
from ebpf_overhead.studies.grid import study as grid
from ebpf_overhead.studies.study import Defaults, Figure, Study

ABOUT = """Measure what other system calls and other processes pay for a probe.

It also says what the unprobed call costs after detach.
"""


def cases(chosen: list[Case]) -> list[Case]:
    """Return cases as their workload sees them, and as each bystander does."""
    return [view for case in chosen for view in seen_by_all(case)]


STUDY = Study(
    ROWS,
    OverheadHead,
    grid.tables,
    grid.notes,
    Figure(figure.markdown, figure.draw),
    Defaults(ABOUT, program=("empty",), cases=cases),
)
