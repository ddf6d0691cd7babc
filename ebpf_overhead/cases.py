"""The catalogue's cases, and the reference grid.

Nothing here touches the kernel; what a kernel cannot do is found out by trying, in
:mod:`ebpf_overhead.attach`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from ebpf_overhead.attach_types import (
    ATTACH_TYPES,
    GETPID,
    GROUPS,
    STANDARD_ATTACH_TYPES,
    STANDARD_TARGETS,
    TARGETS,
    AttachType,
    Target,
)
from ebpf_overhead.catalogue import PROGRAMS, STANDARD_PROGRAMS, Program, programs_named
from ebpf_overhead.errors import BadUseError

__all__ = [
    "ATTACH_TYPES",
    "GETPID",
    "GROUPS",
    "PROGRAMS",
    "STANDARD_ATTACH_TYPES",
    "STANDARD_PROGRAMS",
    "TARGETS",
    "AttachType",
    "Case",
    "Program",
    "Target",
    "reference_grid",
    "select",
]

_T = TypeVar("_T")


@dataclass(frozen=True)
class Case:
    """One (target, attach type, program)."""

    target: Target
    attach: AttachType
    program: Program

    @property
    def name(self) -> str:
        """Name for people: ``getpid/tp_btf/simple``."""
        return f"{self.target.name}/{self.attach.name}/{self.program.name}"

    @property
    def runs_per_call(self) -> int:
        """How often the program runs for a call of the target."""
        calls = 2 if self.attach.system_wide and self.target.second_syscall else 1
        return calls * self.attach.runs_per_call


def select(
    attach: Iterable[str] = (), program: Iterable[str] = (), target: Iterable[str] = ()
) -> list[Case]:
    """Return the cases with the attach types, programs and targets named, in catalogue order.

    Parameters
    ----------
    attach, program, target : iterable of str
        Names; none means the standard ones.  An attach type may also be one of
        :data:`GROUPS`; a program a group or a file, ``FILE.c``.

    Returns
    -------
    list of Case
        Program by program, each with its targets, each with the attach types that are for
        it; files come last.

    Raises
    ------
    BadUseError
        A name is not in the catalogue, or not a file, or no attach type chosen is for a
        target chosen.
    """
    names = [each for name in attach for each in GROUPS.get(name, (name,))]
    attach_types = _pick("attach type", ATTACH_TYPES, names or STANDARD_ATTACH_TYPES)
    programs = programs_named(list(program) or STANDARD_PROGRAMS)
    targets = _pick("target", TARGETS, target or STANDARD_TARGETS)
    cases = [
        Case(aim, each, chosen)
        for chosen in programs
        for aim in targets
        for each in attach_types
        if aim.kind == each.targets
    ]
    if not cases:
        kinds = {each.targets for each in attach_types}
        fitting = [aim.name for aim in TARGETS.values() if aim.kind in kinds]
        raise BadUseError(
            f"no attach type chosen is for target {', '.join(aim.name for aim in targets)}",
            f"choose of {', '.join(fitting)}",
        )
    return cases


def reference_grid() -> list[Case]:
    """Return the nine probed cases of the reference benchmark."""
    return [case for case in select() if case.attach.reference]


def _pick(kind: str, catalogue: dict[str, _T], names: Iterable[str]) -> list[_T]:
    wanted = set(names)
    unknown = sorted(wanted - catalogue.keys())
    if unknown:
        choices = ", ".join(catalogue)
        raise BadUseError(f"no {kind} is called {unknown[0]!r}", f"choose of {choices}")
    return [entry for name, entry in catalogue.items() if name in wanted]
