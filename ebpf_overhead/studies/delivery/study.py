"""What it costs to hand records to a reader, by rate, wake-up and reader."""

from __future__ import annotations

from ebpf_overhead.report.record import Head
from ebpf_overhead.studies.delivery.rows import ROWS
from ebpf_overhead.studies.delivery.tables import notes, tables
from ebpf_overhead.studies.study import Study

STUDY = Study(ROWS, Head, tables, notes)
