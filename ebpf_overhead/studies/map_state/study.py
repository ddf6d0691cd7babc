"""What a map operation costs, by the map's fill and sizes."""

from __future__ import annotations

from ebpf_overhead.report.case_rows import OverheadHead
from ebpf_overhead.studies.map_state import figure
from ebpf_overhead.studies.map_state.rows import ROWS
from ebpf_overhead.studies.map_state.tables import notes, tables
from ebpf_overhead.studies.study import Figure, Study

STUDY = Study(ROWS, OverheadHead, tables, notes, Figure(figure.markdown, figure.draw))
