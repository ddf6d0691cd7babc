"""The cases of object files: where sections say that programs are attached, alone and together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from ebpf_overhead.hooks.cases import Case, CoAttached
from ebpf_overhead.hooks.sections import is_nowhere
from ebpf_overhead.programs.catalogue import Program
from ebpf_overhead.programs.elf_object import asked_of_configuration, object_in
from ebpf_overhead.workload.workloads import Workload


def with_groups(cases: Sequence[Case], workloads: Iterable[Workload] = ()) -> list[Case]:
    """Return cases, and before those of an object's programs the case of all of them together.

    Parameters
    ----------
    cases : sequence of Case
        Programs at the points of their sections, as `select` returns them.
    workloads : iterable of Workload
        Those that were asked for; none means the one that runs most of the programs.
    """
    found: list[Case] = []
    for source, rows in groupby(cases, lambda case: case.program.function and case.program.source):
        alone = list(rows)
        if source:
            found += _groups(alone, [(each,) for each in workloads])
        found += alone
    return found


def with_configuration(cases: Iterable[Case], configuration: str | None) -> list[Case]:
    """Return cases whose objects know the configuration of the kernel they are measured on.

    libbpf looks in ``/boot`` and ``/proc`` for it, where a guest does not have it.

    Parameters
    ----------
    cases : iterable of Case
        Programs of objects, and others.
    configuration : str or None
        Text of the configuration, where it is known.
    """
    return [
        replace(
            case,
            program=_configured(case.program, configuration or ""),
            co_attached=replace(
                case.co_attached,
                cases=tuple(with_configuration(case.co_attached.cases, configuration)),
            ),
        )
        for case in cases
    ]


def _configured(program: Program, configuration: str) -> Program:
    if not program.is_object or program.is_script or program.source is None:
        return program
    asked = asked_of_configuration(object_in(program.source))
    lines = (line for line in configuration.splitlines() if line.partition("=")[0] in asked)
    known = program.settings.kernel_config + "".join(f"{line}\n" for line in lines)
    return replace(program, settings=replace(program.settings, kernel_config=known))


def _groups(alone: list[Case], asked: list[tuple[Workload, ...]]) -> list[Case]:
    members = list({case.program: case for case in alone if not is_nowhere(case.attach)}.values())
    if len(members) < 2:
        return []
    choices = asked or [tuple(dict.fromkeys(each for case in alone for each in _candidates(case)))]
    *others, last = members
    return [
        replace(
            last,
            program=replace(last.program, name=last.program.in_object or last.program.name),
            co_attached=CoAttached(tuple(others), together=True),
            open_to=choice,
        )
        for choice in choices
    ]


def _candidates(case: Case) -> tuple[Workload, ...]:
    return case.open_to or (case.workload,)
