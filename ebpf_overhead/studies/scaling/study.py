"""What a probe costs when many CPUs call at once."""

from __future__ import annotations

from ebpf_overhead.report.record import Head
from ebpf_overhead.studies.scaling import figure
from ebpf_overhead.studies.scaling.rows import ROWS
from ebpf_overhead.studies.scaling.tables import notes, tables
from ebpf_overhead.studies.study import Figure, Study

STUDY = Study(ROWS, Head, tables, notes, Figure(figure.markdown, figure.draw))
