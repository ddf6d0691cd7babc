"""Why costs change from kernel to kernel, as docs/kernels.md says it.

The page is the one place for causes.  A paragraph is found by its bold beginning, such as
``**6.17 to 6.18, `fentry` (-14 %).**``: the two kernels, and the attach types that it is about, or
none if it is about all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ebpf_overhead.hooks.attach_types import ATTACH_TYPES
from ebpf_overhead.kernels.versions import series

_PARAGRAPH = re.compile(r"^\*\*(\d+\.\d+) to (\d+\.\d+), (.+?)\*\*(.*?)(?=^\s*$)", re.M | re.S)
_QUOTED = re.compile(r"`([a-z_]+)`")
_AT_EXIT = "at exit"


@dataclass(frozen=True)
class Cause:
    """Why something costs more or less on a kernel than on the one before.

    Attributes
    ----------
    before, after : str
        Series of the two kernels.
    attach_types : frozenset of str
        What it is about; empty if that is all attach types.
    text : str
        The paragraph; names of code in backticks.
    """

    before: str
    after: str
    attach_types: frozenset[str]
    text: str

    def explains(self, before: str, after: str, attach: str) -> bool:
        """Whether it is about an attach type between two versions of the kernel."""
        if (self.before, self.after) != (series(before), series(after)):
            return False
        return not self.attach_types or attach in self.attach_types


def causes(page: str) -> Iterator[Cause]:
    """Yield the causes that a page names, in its order.

    Parameters
    ----------
    page : str
        docs/kernels.md.
    """
    for before, after, head, rest in _PARAGRAPH.findall(f"{page}\n\n"):
        text = re.sub(r"\s+", " ", f"{head}{rest}").strip()
        yield Cause(before, after, frozenset(_attach_types(head)), text[0].upper() + text[1:])


def _attach_types(head: str) -> Iterator[str]:
    for name in _QUOTED.findall(head):
        yield name
        if _AT_EXIT in head:
            yield from (each for each in ATTACH_TYPES if each.startswith(f"{name}_exit"))
