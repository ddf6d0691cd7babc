"""Where the instructions of a probed call go."""

from __future__ import annotations

from ebpf_overhead.studies.explain.record import ROWS, ExplainHead
from ebpf_overhead.studies.explain.tables import notes, tables
from ebpf_overhead.studies.study import Study

STUDY = Study(ROWS, ExplainHead, tables, notes)
