"""Every table that a record has, by the question it answers."""

from __future__ import annotations

from ebpf_overhead.report import bystanders, cohabitation, rows
from ebpf_overhead.report.record import Record
from ebpf_overhead.report.rows import Table


def tables(record: Record) -> list[Table]:
    """Return the tables of a record, for any format."""
    if record.get("kind") == cohabitation.KIND:
        return cohabitation.tables(record)
    of_targets = [case for case in record["cases"] if "bystander" not in case]
    return rows.tables({**record, "cases": of_targets}) + bystanders.tables(record)


def notes(record: Record) -> list[str]:
    """Return what there is to say of a record's rows, a line each."""
    return rows.notes(record) + bystanders.notes(record)
