"""What is known of programs before they run, as rows of text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ebpf_overhead.report.table import Table
from ebpf_overhead.studies.grid.ranking import Case

_TITLE = "Before they run: instructions, states of the verifier, then bytes"
_HEADINGS = ("Program", "compiled", "loaded", "verified", "states", "JIT", "stack", "maps")


def static_tables(cases: Sequence[Case]) -> list[Table]:
    """Return the table of what is known of programs before they run; none where nothing is.

    Cases that are alike in all of it share a row, which names their attach types if there are
    others.
    """
    rows: dict[tuple[str, str], dict[tuple[str, ...], list[str]]] = {}
    for case in cases:
        if "static" in case and "beside" not in case:
            alike = rows.setdefault((case["program"], case.get("kernel", "")), {})
            alike.setdefault(_cells(case["static"]), []).append(case["attach"])
    found = [
        (_name(*what, attach if len(alike) > 1 else []), *cells)
        for what, alike in rows.items()
        for cells, attach in alike.items()
    ]
    return [Table(_TITLE, _HEADINGS, found)] if found else []


def _name(program: str, kernel: str, attach: Sequence[str]) -> str:
    return ", ".join(filter(None, (program, kernel, *dict.fromkeys(attach))))


def _cells(static: dict[str, Any]) -> tuple[str, ...]:
    counts = ("instructions", "translated_instructions", "verified_instructions", "verifier_states")
    return (
        *(_number(static[name]) for name in (*counts, "jited_bytes")),
        "+".join(map(str, static["stack_bytes"])) or "n/a",
        _number(sum(static["map_bytes"].values())),
    )


def _number(value: int | None) -> str:
    return "n/a" if value is None else f"{value:,}"
