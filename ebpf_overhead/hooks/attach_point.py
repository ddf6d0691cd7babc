"""A place that a program is attached to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AttachPoint:
    """A place that a program is attached to.

    Attributes
    ----------
    name : str
        Function or tracepoint of the kernel (perf's tracepoints with their category,
        ``category:event``), or what a place in user code is called.
    offset_bytes : int
        How far into the function it is; in user code, how far into the file.
    path : str or None
        File of user code; None for the kernel's.
    pid : int or None
        Process whose calls run the program, in user code only; None for every process.
    """

    name: str
    offset_bytes: int = 0
    path: str | None = None
    pid: int | None = None

    def __str__(self) -> str:
        inside = self.path is None and self.offset_bytes
        return f"{self.name}+{self.offset_bytes:#x}" if inside else self.name
