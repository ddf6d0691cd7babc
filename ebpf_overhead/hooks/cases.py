"""The catalogue's cases, and the reference grid.

Nothing here touches the kernel; what a kernel cannot do is found out by trying, in
:mod:`ebpf_overhead.hooks.probe`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from ebpf_overhead.errors import BadUseError, UnknownNameError
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.hooks.attach_type import AttachType
from ebpf_overhead.hooks.attach_types import (
    ATTACH_TYPES,
    GROUPS,
    STANDARD_ATTACH_TYPES,
)
from ebpf_overhead.hooks.sections import placed
from ebpf_overhead.programs.catalogue import PROGRAMS, STANDARD_PROGRAMS, Program, programs_named
from ebpf_overhead.programs.object_settings import AS_BUILT, ObjectSettings
from ebpf_overhead.workload.workloads import STANDARD_WORKLOADS, WORKLOADS, Workload

__all__ = [
    "ATTACH_TYPES",
    "GROUPS",
    "PROGRAMS",
    "STANDARD_ATTACH_TYPES",
    "STANDARD_PROGRAMS",
    "Bystander",
    "Case",
    "CoAttached",
    "Program",
    "reference_grid",
    "select",
]

_T = TypeVar("_T")

_BY_DEFAULT = [each for each in WORKLOADS.values() if each.name in STANDARD_WORKLOADS or each.also]


@dataclass(frozen=True)
class Bystander:
    """Calls that nobody asked to have probed.

    Attributes
    ----------
    workload : Workload
        What is called.
    process : str
        ``same``, in the thread that calls the workload, or ``other``.
    """

    workload: Workload
    process: str = "same"

    @property
    def name(self) -> str:
        """Name for people: ``getppid (other process)``."""
        return f"{self.workload.name} (other process)" if self.elsewhere else self.workload.name

    @property
    def elsewhere(self) -> bool:
        """Whether another process makes the calls."""
        return self.process == "other"

    def runs_per_call(self, case: Case) -> int:
        """Return how often a case's program runs for one call of the bystander."""
        if not case.attach.system_wide:
            return 0
        return case.attach.times_seen(self.workload) * case.attach.runs_per_call


@dataclass(frozen=True)
class CoAttached:
    """The programs that are co-attached with that of a case.

    Attributes
    ----------
    cases : tuple of Case
        A program for each, attached in this order, before the one of the case itself.
    together : bool
        Whether they are attached and detached with it, so that all of them are measured;
        otherwise they stay attached.
    """

    cases: tuple[Case, ...] = ()
    together: bool = False

    @property
    def programs(self) -> int:
        """How many programs are on the workload, the one of the case included."""
        return 1 + len(self.cases)

    @property
    def attach_types(self) -> dict[str, int]:
        """Attach types of the others, and how many are attached so."""
        names = [case.attach.name for case in self.cases]
        return {name: names.count(name) for name in dict.fromkeys(names)}

    def __str__(self) -> str:
        """Return it as it follows the name of a case: `` beside 3 fentry``."""
        others = " and ".join(f"{count} {name}" for name, count in self.attach_types.items())
        return f" {'with' if self.together else 'beside'} {others}" if others else ""


@dataclass(frozen=True)
class Case:
    """What is measured: workload, attach type and program, and the conditions.

    Attributes
    ----------
    workload : Workload
        What the program watches.
    attach, program : AttachType, Program
        The probe.
    caller : Bystander or None
        Whose calls are timed; None for those of the workload.
    co_attached : CoAttached
        Programs that are on the workload with it.
    statistics : bool
        Whether the kernel's run statistics are on while sampling, as a monitor has them.
    after_detach : bool
        Whether to measure, too, what the call takes when the probe is gone.
    points : tuple of AttachPoint
        Where the program is attached: names of one place.  None for where the attach type has
        the workload.
    runs : int or None
        How often the program runs for one call, where trying found it out.
    open_to : tuple of Workload
        Those of which the first is called that runs the program: nothing tells which does.
    """

    workload: Workload
    attach: AttachType
    program: Program
    caller: Bystander | None = None
    co_attached: CoAttached = field(default_factory=CoAttached)
    statistics: bool = False
    after_detach: bool = False
    points: tuple[AttachPoint, ...] = ()
    runs: int | None = None
    open_to: tuple[Workload, ...] = ()

    @property
    def name(self) -> str:
        """Name for people: ``getpid/tp_btf/simple, getppid beside 3 fentry``."""
        caller = f", {self.caller.name}" if self.caller else ""
        probe = f"{self.workload.name}/{self.attach.name}/{self.program.name}"
        return f"{probe}{caller}{self.co_attached}{' with statistics' if self.statistics else ''}"

    @property
    def bare(self) -> bool:
        """Whether its baseline is the workload's own call with none of our programs on it."""
        return self.caller is None and (not self.co_attached.cases or self.co_attached.together)

    @property
    def runs_per_call(self) -> int:
        """How often the program runs for one call of the workload."""
        if self.runs is not None:
            return self.runs
        return self.attach.times_seen(self.workload) * self.attach.runs_per_call


def select(
    attach: Iterable[str] = (),
    program: Iterable[str] = (),
    workload: Iterable[str] = (),
    settings: ObjectSettings = AS_BUILT,
) -> list[Case]:
    """Return the cases with the attach types, programs and workloads named, in catalogue order.

    Parameters
    ----------
    attach, program, workload : iterable of str
        Names; none means the standard ones.  An attach type may also be one of
        :data:`GROUPS`; a program a group or a file.
    settings : ObjectSettings
        What is to be made of object files.

    Returns
    -------
    list of Case
        Program by program, each with its workloads, each with the attach types that are for
        it; files come last.

    Raises
    ------
    BadUseError
        A name is not in the catalogue, or not a file, or no attach type chosen is for a
        workload chosen.
    """
    names = [each for name in attach for each in GROUPS.get(name, (name,))]
    attach_types = _pick("attach type", ATTACH_TYPES, names or STANDARD_ATTACH_TYPES)
    programs = programs_named(list(program) or STANDARD_PROGRAMS, settings)
    workloads = _pick("workload", WORKLOADS, workload or STANDARD_WORKLOADS)
    aims = workloads if any(workload) else _BY_DEFAULT
    cases = [
        Case(aim, each, chosen)
        for chosen in programs
        if names or not chosen.section
        for aim in aims
        for each in attach_types
        if each.workload_kind in (aim.kinds if any(workload) else _default_kinds(aim))
    ]
    if not names:
        placed_by_section = (each for each in programs if each.section)
        cases += [case for each in placed_by_section for case in _placed(each, workloads, workload)]
    if not cases:
        kinds = {each.workload_kind for each in attach_types}
        fitting = [aim.name for aim in WORKLOADS.values() if kinds.intersection(aim.kinds)]
        raise BadUseError(
            f"no attach type chosen is for workload {', '.join(aim.name for aim in workloads)}",
            f"choose of {', '.join(fitting)}",
        )
    return cases


def _default_kinds(workload: Workload) -> tuple[str, ...]:
    """Return the kinds of attach types that are measured on a workload which nobody named."""
    return workload.kinds if workload.name in STANDARD_WORKLOADS else workload.also


def _placed(program: Program, workloads: list[Workload], named: Iterable[str]) -> list[Case]:
    """Return the cases of a program whose section says where it is attached."""
    place = placed(program.section)
    known = [each for each in workloads if each in place.workloads]
    if not known and not any(named):
        known = list(place.workloads[:1])
    if known:
        return [Case(each, place.attach, program, points=place.points) for each in known]
    every = tuple(each for each in WORKLOADS.values() if each.syscall)
    choices = [(each,) for each in workloads] if any(named) else [every]
    points = place.elsewhere or place.points
    return [Case(each[0], place.attach, program, points=points, open_to=each) for each in choices]


def reference_grid() -> list[Case]:
    """Return the nine probed cases of the reference benchmark."""
    return [case for case in select() if case.attach.reference]


def _pick(kind: str, catalogue: dict[str, _T], names: Iterable[str]) -> list[_T]:
    wanted = set(names)
    unknown = sorted(wanted - catalogue.keys())
    if unknown:
        raise UnknownNameError(kind, unknown[0], catalogue)
    return [entry for name, entry in catalogue.items() if name in wanted]
