"""Programs of the project's own that watch other code, and the hooks they are attached to.

Unlike ``probes/``, nothing here is measured for its own sake: ``latency.c`` times calls
for ``funclatency``.
"""

from __future__ import annotations

from pathlib import Path


def source(name: str) -> Path:
    """Return the source file of a tracer."""
    return Path(__file__).parent / f"{name}.c"
