"""Where dispatch can be measured: a place at which nobody else's program is."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import NamedTuple

from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.hooks.attach_types import GROUPS
from ebpf_overhead.hooks.cases import Case
from ebpf_overhead.tools.top.attachments import Attachment
from ebpf_overhead.tools.top.system_calls import ENDS


class FreePlace(NamedTuple):
    """A case at a place where no other program shares its way.

    Attributes
    ----------
    case : Case
        The case there.
    alone : bool
        Whether nothing else is near, so that what is measured holds at other times, too.
    """

    case: Case
    alone: bool


def free_place(case: Case, hooks: Collection[Attachment]) -> FreePlace:
    """Return a case where no other program shares its way.

    All system calls have two ends that are alike: where one is taken, the other may be free.

    Parameters
    ----------
    case : Case
        What is to be measured.
    hooks : collection of Attachment
        The hooks of all programs.

    Raises
    ------
    UnsupportedError
        There is no such place.
    """
    choices = [case]
    if case.attach.system_wide:
        other = AttachPoint(_other_end(place_of(case)))
        choices.append(replace(case, points=(other,), runs=case.runs_per_call))
    for choice in choices:
        if not any(_is_near(hook, choice) for hook in hooks):
            return FreePlace(choice, alone=True)
    for choice in choices:
        if not any(_shares_its_way(hook, choice) for hook in hooks):
            return FreePlace(choice, alone=False)
    raise UnsupportedError(
        f"other programs are at {' and '.join(map(place_of, choices))}, where it is measured",
        "run top once while they are not",
    )


def place_of(case: Case) -> str:
    """Return where a case's program is attached, as far as that is known without trying."""
    points = case.points or tuple(case.attach.points(case.workload))
    return points[0].name if points else ""


def at_exit(place: str) -> bool:
    """Whether a tracepoint is at the end of system calls."""
    return _name(place).startswith(ENDS[1])


def _other_end(place: str) -> str:
    found, wanted = reversed(ENDS) if at_exit(place) else ENDS
    return place.replace(found, wanted)


def _name(place: str) -> str:
    """Return a place as the kernel names it: without a tracepoint's subsystem."""
    return place.rpartition(":")[2]


def _shares_its_way(hook: Attachment, case: Case) -> bool:
    """Whether a hook is of the same kind, at the same place."""
    kinds = (case.attach.name, case.attach.kernel_name)
    return hook.attach in kinds and hook.target == _name(place_of(case))


def _is_near(hook: Attachment, case: Case) -> bool:
    """Whether the kernel calls a hook from the same place, in whichever way."""
    if hook.attach not in GROUPS["tracepoints"]:
        return _shares_its_way(hook, case)
    end = ENDS[at_exit(place_of(case))]
    return case.attach.group == "tracepoints" and hook.target.startswith(end)
