"""What several programs on one workload cost."""

from __future__ import annotations

from ebpf_overhead.report.case_rows import ROWS, OverheadHead
from ebpf_overhead.studies.coattachment import figure
from ebpf_overhead.studies.coattachment.tables import tables
from ebpf_overhead.studies.grid.tables import notes
from ebpf_overhead.studies.study import Figure, Study

STUDY = Study(ROWS, OverheadHead, tables, notes, Figure(figure.markdown, figure.draw))
