"""Records as files."""

from __future__ import annotations

from pathlib import Path

from ebpf_overhead.errors import BadUseError
from ebpf_overhead.reading import convert, read_json
from ebpf_overhead.report.record import Record
from ebpf_overhead.report.versions import upgraded
from ebpf_overhead.studies import registry
from ebpf_overhead.tools.records import RECORDS

_REMEDY = "name a file that --format json wrote"


def read(path: Path | str) -> Record:
    """Return a record that a command wrote as JSON, of any version.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    dict
        The record, as ``ebpf-overhead schema`` describes it.

    Raises
    ------
    BadUseError
        The file holds no record, or one that is damaged.
    """
    file = Path(path)
    record = upgraded(read_json(file, Record, error=BadUseError, remedy=_REMEDY), str(file))
    kind = RECORDS.get(str(record.get("study")))
    if kind is None:
        return registry.read_record(file, _REMEDY)
    convert(record, kind, str(file), error=BadUseError, remedy=_REMEDY)
    return record
