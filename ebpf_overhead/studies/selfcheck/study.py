"""Whether what measures finds nothing where nothing is, and what was put there."""

from __future__ import annotations

from ebpf_overhead.studies.selfcheck.rows import ROWS, SelfcheckHead
from ebpf_overhead.studies.selfcheck.tables import notes, tables
from ebpf_overhead.studies.study import Study

STUDY = Study(ROWS, SelfcheckHead, tables, notes)
