"""What scripts use, and the command line does: measuring, reading, comparing.

Brings together what the rooms below know; has no measuring logic and no tables of its own.  These
names stay as they are:

- `measure` makes a record, `read` takes one from a file, `compare` two results by their names;
- `rows` makes flat dictionaries of a record or a comparison, `frame` a data frame of pandas;
- `ProgramCost` is a class of benchmarks for another project's asv suite;
- `Comparison`, `Precision` and `OverheadError`, the base of all errors, are what they take,
  return and raise.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ebpf_overhead.api.comparing import compare
    from ebpf_overhead.api.frames import frame, rows
    from ebpf_overhead.api.measuring import measure
    from ebpf_overhead.api.program_cost import ProgramCost
    from ebpf_overhead.api.reading import read
    from ebpf_overhead.errors import OverheadError
    from ebpf_overhead.measure.sampling import Precision
    from ebpf_overhead.report.comparison import Comparison

__all__ = [
    "Comparison",
    "OverheadError",
    "Precision",
    "ProgramCost",
    "compare",
    "frame",
    "measure",
    "read",
    "rows",
]

_HOMES = {
    "Comparison": "ebpf_overhead.report.comparison",
    "OverheadError": "ebpf_overhead.errors",
    "Precision": "ebpf_overhead.measure.sampling",
    "ProgramCost": "ebpf_overhead.api.program_cost",
    "compare": "ebpf_overhead.api.comparing",
    "frame": "ebpf_overhead.api.frames",
    "measure": "ebpf_overhead.api.measuring",
    "read": "ebpf_overhead.api.reading",
    "rows": "ebpf_overhead.api.frames",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for: to compare results, nothing that measures is needed."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
