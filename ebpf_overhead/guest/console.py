"""Reading why a guest did not come up, or went, out of what it printed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_TAIL_LINES = 40
# The most telling first.
_REASONS = tuple(
    re.compile(pattern, re.MULTILINE)
    for pattern in (
        r"^(?:\[ *[\d.]+\] )?(Kernel panic - not syncing: .*)$",
        r"^(KVM internal error.*)$",
        r"^guest: (failed: .*)$",
        r"^(qemu-system-\S+: .*)$",
    )
)


@dataclass(frozen=True)
class Tail:
    """The end of a guest's messages.

    Parameters
    ----------
    reason : str
        The line that says most, or the empty string.
    text : str
        The last lines.
    """

    reason: str
    text: str


def tail(console: Path, messages: Path) -> Tail:
    """Return the end of what the kernel and QEMU said.

    Parameters
    ----------
    console, messages : Path
        The files of each; they need not exist.
    """
    kernel, qemu = _read(console), _read(messages)
    lines = [*kernel.splitlines()[-_TAIL_LINES:], *qemu.splitlines()[-_TAIL_LINES:]]
    for reason in _REASONS:
        if found := reason.search(f"{kernel}\n{qemu}"):
            return Tail(found[1].strip(), "\n".join(lines))
    return Tail("", "\n".join(lines))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").replace("\r", "")
    except OSError:
        return ""
