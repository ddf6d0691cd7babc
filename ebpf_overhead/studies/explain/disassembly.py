"""The instructions that a probe adds, disassembled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Console

from ebpf_overhead.errors import MissingToolError
from ebpf_overhead.report.console import print_line, print_table
from ebpf_overhead.report.record import Record, measured


def require() -> Any:
    """Return capstone's disassembler.

    Raises
    ------
    MissingToolError
        It is not installed.
    """
    try:
        import capstone
    except ImportError:
        raise MissingToolError(
            "capstone, which disassembles, is not installed", "pip install capstone"
        ) from None
    return capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)


def print_code(record: Record, console: Console) -> None:
    """Print the instructions that each case adds, in the order in which they are executed first."""
    for case in measured(record):
        title = f"{case['attach']} {case['program']} on {case['target']}, {case['kernel']}"
        print_line(console, f"What {title} adds", "bold")
        rows = [*_rows(case["instructions"])]
        print_table(console, ("Function", "times", "instruction"), rows, words=(0, 2))


def _rows(instructions: list[dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    disassembler = require()
    for each in instructions:
        times = each["probed"] - each["unprobed"]
        if times:
            where = f"{each['function']}+{each['offset_bytes']:#x}"
            yield where, f"{times:+,}", _text(disassembler, each)


def _text(disassembler: Any, instruction: dict[str, Any]) -> str:
    code = bytes.fromhex(instruction["code"])
    found = next(disassembler.disasm_lite(code, instruction["address"], 1), None)
    return "(bad)" if found is None else f"{found[2]} {found[3]}".strip()
