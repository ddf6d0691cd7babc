"""The part of a page of the documentation that a script writes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any


def write_part(page: Path, name: str, text: str) -> None:
    """Replace what stands between two marks of a page, each a line of its own.

    Parameters
    ----------
    page : Path
        The page.
    name : str
        Of the marks: ``<!-- name:begin -->`` and ``<!-- name:end -->``.
    text : str
        What stands there from now on; whole lines.

    Raises
    ------
    SystemExit
        The page lacks a mark.
    """
    begin, end = (f"<!-- {name}:{which} -->\n" for which in ("begin", "end"))
    before, begun, rest = page.read_text().partition(begin)
    _, ended, after = rest.partition(end)
    if not (begun and ended):
        sys.exit(f"{page} lacks the line {(end if begun else begin).strip()}")
    page.write_text(f"{before}{begin}{text}{end}{after}")


def machine_of(record: dict[str, Any]) -> str:
    """Say on which machine a record was measured."""
    facts = record["machine"]
    host, cpu = facts["host"], facts["cpu"]
    kind = "a machine" if host["hypervisor"] in (None, "none") else "a virtual machine"
    release = facts["kernel"]["release"]
    return f"Linux {release} on {kind} with {cpu['online']} CPUs ({cpu['model']})"
