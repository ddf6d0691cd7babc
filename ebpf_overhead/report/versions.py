"""The versions of the record, and how the older ones are read.

1. Until November 2026: a form for each command.  ``kind`` said which, and was absent in records of
   ``measure``; estimate, funclatency and top had ``tool`` instead.
2. One form: ``study`` says which question a record answers, or which tool wrote it.  The
   conditions of a case are in its row, and no longer among the options.
"""

from __future__ import annotations

from ebpf_overhead.errors import BadUseError
from ebpf_overhead.report.record import SCHEMA_VERSION, Record

# What version 1 called the studies that have another name now.
_KINDS = {
    "cohabitation": "coattachment",
    "map_state": "map-state",
    "attach_latency": "attach-latency",
}


# Options of version 1 that are in version 2, too; the conditions are in the rows now.
_SAMPLING = ("precision", "time_s", "cpu", "seed")


def upgraded(record: Record, where: str = "the record") -> Record:
    """Return a record of any version as one of the newest.

    Parameters
    ----------
    record : dict
        As it was read.
    where : str
        Names it in the error.

    Raises
    ------
    BadUseError
        It has no version, or one that is not known here.
    """
    version = record.get("schema")
    if version == SCHEMA_VERSION:
        return record
    if version == 1:
        return _from_1(record)
    raise BadUseError(
        f"{where} cannot be used: its schema is {version!r}, not 1 to {SCHEMA_VERSION}",
        "read it with the ebpf-overhead that wrote it",
    )


def _from_1(record: Record) -> Record:
    kind = str(record.get("kind") or record.get("tool") or "grid")
    rest = {name: value for name, value in record.items() if name not in ("kind", "tool")}
    read = {**rest, "schema": SCHEMA_VERSION, "study": _KINDS.get(kind, kind)}
    options, cases = rest.get("options"), rest.get("cases")
    if isinstance(options, dict):
        read["options"] = {name: options[name] for name in _SAMPLING if name in options}
        if options.get("bpf_stats") is True and isinstance(cases, list):
            read["cases"] = [{**each, "statistics": True} for each in cases]
    return read
