"""The reference benchmark's question: what a probe costs, by attach type and program."""

from __future__ import annotations

from ebpf_overhead.report.case_rows import ROWS, OverheadHead
from ebpf_overhead.report.record import Record
from ebpf_overhead.report.table import Table
from ebpf_overhead.studies.bystanders import tables as bystanders
from ebpf_overhead.studies.grid import tables as grid
from ebpf_overhead.studies.grid.ranking import measured_apart
from ebpf_overhead.studies.study import Defaults, Study


def tables(record: Record) -> list[Table]:
    """Return a table per program and workload, then those of bystanders if they were measured."""
    return grid.tables(record) + bystanders.tables(record)


def notes(record: Record) -> list[str]:
    """Return what there is to say about the rows, one line each."""
    return grid.notes(record) + measured_apart(record) + bystanders.notes(record)


ABOUT = """Measure what a probe on getpid costs, by attach type and program.

It is the grid of the reference benchmark, with two attach types more.
"""
STUDY = Study(ROWS, OverheadHead, tables, notes, defaults=Defaults(ABOUT))
