"""Whether predictions of ``estimate`` come true."""

from __future__ import annotations

from ebpf_overhead.studies.study import Study
from ebpf_overhead.studies.validation.rows import ROWS, ValidationHead
from ebpf_overhead.studies.validation.text import notes, tables

STUDY = Study(ROWS, ValidationHead, tables, notes)
