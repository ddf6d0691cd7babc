"""How long load, attach and detach take, and whether calls stall."""

from __future__ import annotations

from ebpf_overhead.studies.attach_latency import figure
from ebpf_overhead.studies.attach_latency.rows import ROWS, LatencyHead
from ebpf_overhead.studies.attach_latency.tables import notes, tables
from ebpf_overhead.studies.study import Figure, Study

STUDY = Study(ROWS, LatencyHead, tables, notes, Figure(figure.markdown, figure.draw))
