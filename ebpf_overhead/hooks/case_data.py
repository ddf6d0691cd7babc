"""Cases as plain data, which a guest can be told: everything by its name in the catalogues."""

from __future__ import annotations

from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any

from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.hooks.attach_type import AttachType
from ebpf_overhead.hooks.attach_types import ATTACH_TYPES
from ebpf_overhead.hooks.cases import Bystander, Case, CoAttached
from ebpf_overhead.hooks.sections import is_nowhere, placed
from ebpf_overhead.programs.catalogue import Program, of_object, programs_named
from ebpf_overhead.programs.elf_object import ObjectFunction
from ebpf_overhead.programs.object_settings import ObjectSettings
from ebpf_overhead.workload.workloads import CALLABLE, WORKLOADS


def to_data(case: Case) -> dict[str, Any]:
    """Return a case, ready for JSON.  A program of the user's own is named by its whole path."""
    caller = case.caller
    return {
        "workload": case.workload.name,
        "attach": None if is_nowhere(case.attach) else case.attach.name,
        "program": _program_to_data(case.program),
        "caller": None if caller is None else [caller.workload.name, caller.process],
        "co_attached": [to_data(each) for each in case.co_attached.cases],
        "together": case.co_attached.together,
        "statistics": case.statistics,
        "after_detach": case.after_detach,
        "points": [astuple(each) for each in case.points],
        "runs": case.runs,
        "open_to": [each.name for each in case.open_to],
    }


def _program_to_data(program: Program) -> Any:
    if program.source is None:
        return program.name
    path = str(program.source.absolute())
    return [program.name, path, program.function, program.section, asdict(program.settings)]


def of_data(data: dict[str, Any]) -> Case:
    """Return the case that `to_data` was given."""
    caller, program = data["caller"], _program_of_data(data["program"])
    return Case(
        WORKLOADS[data["workload"]],
        _attach_type(data["attach"], program),
        program,
        caller=None if caller is None else Bystander(CALLABLE[caller[0]], caller[1]),
        co_attached=CoAttached(tuple(map(of_data, data["co_attached"])), data["together"]),
        statistics=data["statistics"],
        after_detach=data["after_detach"],
        points=tuple(AttachPoint(*each) for each in data["points"]),
        runs=data["runs"],
        open_to=tuple(WORKLOADS[name] for name in data["open_to"]),
    )


def _attach_type(name: str | None, program: Program) -> AttachType:
    # That of a program which is attached nowhere is in no table, though it may have a name of it.
    return placed(program.section).attach if name is None else ATTACH_TYPES[name]


def _program_of_data(data: Any) -> Program:
    if isinstance(data, str):
        return programs_named([data])[0]
    name, path, function, section, settings = data
    return of_object(name, Path(path), ObjectFunction(function, section), _settings(settings))


def _settings(data: dict[str, Any]) -> ObjectSettings:
    tuples = {"programs": tuple(data["programs"])} | {
        name: tuple(map(tuple, data[name])) for name in ("map_sizes", "variables", "places")
    }
    return ObjectSettings(**{**data, **tuples})
