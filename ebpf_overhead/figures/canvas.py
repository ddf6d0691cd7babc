"""What all figures share: matplotlib, if it is installed, and how they look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ebpf_overhead.errors import BadUseError, MissingToolError

# The same file for the same data: no date, no random names inside.
_STYLE: Any = {
    "svg.hashsalt": "ebpf-overhead",
    "font.size": 9,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
}

# An attach type looks the same in every figure.
STYLES: dict[str, dict[str, Any]] = {
    "tracepoint": {"color": "C0", "marker": "o"},
    "raw_tracepoint": {"color": "C1", "marker": "s"},
    "tp_btf": {"color": "C2", "marker": "v"},
    "fentry": {"color": "C3", "marker": "^"},
    "kprobe": {"color": "C4", "marker": "D"},
    "fexit": {"color": "C5", "marker": "<"},
}


def panels(count: int, height_inches: float = 3.6) -> tuple[Any, list[Any]]:
    """Return a figure with so many axes side by side.

    Raises
    ------
    MissingToolError
        matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingToolError(
            "matplotlib not found, which draws", "pip install 'ebpf-overhead[plots]'"
        ) from error
    matplotlib.rcParams.update(_STYLE)
    figure = Figure(figsize=(4.2 * count, height_inches), layout="constrained")
    return figure, list(figure.subplots(1, count, squeeze=False)[0])


def save(figure: Any, path: Path) -> None:
    """Write a figure; the ending of the name chooses the format.

    Raises
    ------
    BadUseError
        matplotlib knows no such format, or the file cannot be written.
    """
    metadata = {"Date": None} if path.suffix == ".svg" else None
    try:
        figure.savefig(path, dpi=110, metadata=metadata)
    except (ValueError, OSError) as error:
        raise BadUseError(f"figure not written: {error}", "name a file .svg or .png") from error


def subject(record: dict[str, Any]) -> str:
    """Return where a record was measured, for a panel's title: kernel, and guest or not."""
    release = record["machine"]["kernel"]["release"]
    return f"guest, {release}" if "guest" in record else f"native, {release}"
