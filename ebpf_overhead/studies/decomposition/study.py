"""Which part of an overhead is the hook, which the program; made from records of ``measure``."""

from __future__ import annotations

from ebpf_overhead.report.case_rows import ROWS, OverheadHead
from ebpf_overhead.report.record import Record
from ebpf_overhead.report.table import Table
from ebpf_overhead.studies.decomposition import figure
from ebpf_overhead.studies.decomposition import tables as view
from ebpf_overhead.studies.decomposition.parts import decompose
from ebpf_overhead.studies.study import Figure, Study


def tables(record: Record) -> list[Table]:
    """Return the tables of a record's hooks and bodies."""
    return view.tables(decompose(record))


STUDY = Study(ROWS, OverheadHead, tables, figure=Figure(figure.markdown, figure.draw))
