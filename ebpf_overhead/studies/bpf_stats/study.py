"""What the kernel's run statistics cost, and what they say about a probe.

Each case is measured twice: as it is, and with the statistics on (``BPF_ENABLE_STATS``), as a
monitor has them.  The difference is what they cost.
"""

from __future__ import annotations

from dataclasses import replace

from ebpf_overhead.hooks.cases import Case
from ebpf_overhead.report.case_rows import ROWS, OverheadHead
from ebpf_overhead.studies.bpf_stats.tables import notes, tables
from ebpf_overhead.studies.study import Defaults, Study

ABOUT = """Measure what the kernel's run statistics cost, and what they say about a probe.

Each case is measured without the statistics and with them. What they report is the program
alone: what the way to it takes is left out.
"""


def cases(chosen: list[Case]) -> list[Case]:
    """Return each case without the statistics and with them."""
    return [replace(case, statistics=on) for case in chosen for on in (False, True)]


STUDY = Study(
    ROWS,
    OverheadHead,
    tables,
    notes,
    defaults=Defaults(ABOUT, program=("empty", "simple"), cases=cases),
)
