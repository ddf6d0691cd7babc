"""Sections of object files: libbpf's names of where a program is attached.

``SEC("tp_btf/sys_enter")`` is an attach type and an attach point.  Some name no point: then it
is where the workload has one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import partial

from ebpf_overhead.bpf.syscall import TraceAttachType
from ebpf_overhead.errors import BadUseError, UnsupportedError
from ebpf_overhead.hooks import attached_only
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.hooks.attach_type import AttachType
from ebpf_overhead.hooks.attach_types import ATTACH_TYPES
from ebpf_overhead.hooks.attached_only import AttachedOnly
from ebpf_overhead.hooks.symbols import entry_symbols, user_point
from ebpf_overhead.programs.loaded import LoadedProgram
from ebpf_overhead.workload.workloads import WORKLOADS, Workload

_PATTERN = re.compile(r"[*?\[]")
_OF_NAME = {name: row for row in ATTACH_TYPES.values() for name in (row.name, *row.aliases)}


@dataclass(frozen=True)
class Placed:
    """Where a section says that its program is attached.

    Attributes
    ----------
    attach : AttachType
        How.
    points : tuple of AttachPoint
        Where: names of one place, of which a kernel has some; none where the section names none.
    workloads : tuple of Workload
        Those that are known to pass it once per call, or as often as the attach type says.
    elsewhere : tuple of AttachPoint
        Where for other workloads, if that differs.
    """

    attach: AttachType
    points: tuple[AttachPoint, ...] = ()
    workloads: tuple[Workload, ...] = ()
    elsewhere: tuple[AttachPoint, ...] = ()


def placed(section: str) -> Placed:
    """Return where a section says that its program is attached.

    A program that can be attached nowhere here has a row of its own, which says so when the
    program is loaded.
    """
    try:
        return _placed(section)
    except UnsupportedError as error:
        return Placed(_nowhere(section, error))


def _nowhere(section: str, why: UnsupportedError) -> AttachType:
    kind = section.lstrip("?").partition("/")[0]
    only = attached_only.of(kind)
    return AttachType(
        kind,
        *("none", "not attached", "", "", ""),
        prog_type=only.prog_type,
        expected=only.attach,
        points=partial(_point_named, section),
        open=Refused(why, only),
    )


@dataclass(frozen=True)
class Refused:
    """Attaches a program nowhere.

    Attributes
    ----------
    why : UnsupportedError
        What keeps it from being attached, or from being measured there.
    only : AttachedOnly
        How it is attached for a moment all the same.
    """

    why: UnsupportedError
    only: AttachedOnly

    def __call__(self, program: LoadedProgram, point: AttachPoint, at_return: bool) -> int:
        """Raise the reason: the kernel took the program."""
        done = self.only.attached(program)
        raise UnsupportedError(f"the kernel loads {done}; {self.why.what}", self.why.remedy)


def is_nowhere(attach: AttachType) -> bool:
    """Whether an attach type is that of a section which says nothing that can be done here."""
    return isinstance(attach.open, Refused)


def refuse_untyped(attach: AttachType) -> None:
    """Raise what keeps a program from being attached, if its section says nothing that can be.

    Object files are loaded first: they say themselves what for.
    """
    if isinstance(attach.open, Refused):
        raise UnsupportedError(attach.open.why.what, attach.open.why.remedy)


def _point_named(section: str, workload: Workload) -> Iterator[AttachPoint]:
    yield AttachPoint(section)


def _placed(section: str) -> Placed:
    section = section.lstrip("?")
    if section in _OF_NAME:
        # The tool attaches it by a call of libbpf; or it names one of a hook's directions.
        return Placed(_OF_NAME[section], (), tuple(_of_kind(_OF_NAME[section])))
    kind, _, place = section.partition("/")
    # "fentry.s" is a program that may wait, "kprobe.multi" another attach type.
    row = _OF_NAME.get(kind.removesuffix(".s").replace(".", "_"))
    if row is None or row.group == "network":
        raise UnsupportedError(
            f"no workload here calls the hook {section}",
            "--attach measures it elsewhere, if the kernel lets it be attached there",
        )
    if not place or (row.workload_kind == "function" and ":" not in place):
        return Placed(row, (), tuple(_of_kind(row)))  # the tool attaches it by a call of libbpf
    if row.group == "tracepoints" and _PATTERN.search(place):
        return _of_pattern(row, place)
    points = tuple(_points(row, kind, place))
    for each in _like(row):
        if passing := tuple(_passing(each, points)):
            return Placed(each, points, passing)
    return Placed(row, points)


def _of_pattern(row: AttachType, place: str) -> Placed:
    """Return where a program is attached that is attached to the events of many system calls.

    One call passes one of them: its own.  The others cost it nothing.
    """
    wanted = place.replace("/", ":")
    for each in _like(row):
        passing = tuple(
            workload for workload in _of_kind(each) if _passes_one(each, workload, wanted)
        )
        if _OF_CALLS.match(place) and passing:
            return Placed(each, (), passing, (AttachPoint(wanted),))
    raise UnsupportedError(f"{row.name}/{place} names several places", _NAME_ONE)


_NAME_ONE = "name one, or choose another: --attach"


# Events that every system call passes once each.
_OF_CALLS = re.compile(r"syscalls/sys_(enter|exit)_")


def _passes_one(row: AttachType, workload: Workload, wanted: str) -> bool:
    """Whether a call passes one of the events that a pattern names, and not two."""
    calls = list(workload.times)
    points = (
        point for call in calls if call for point in row.points(replace(workload, syscall=call))
    )
    return sum(1 for point in points if fnmatchcase(point.name, wanted)) == 1


def _points(row: AttachType, kind: str, place: str) -> Iterator[AttachPoint]:
    """Yield the names under which a kernel may have the place."""
    if kind.endswith("syscall"):
        yield from map(AttachPoint, entry_symbols(place))
    elif row.workload_kind in ("function", "usdt"):
        yield _user_point(place)
    elif row.group == "tracepoints":
        yield AttachPoint(place.replace("/", ":"))
    elif row.workload_kind == "security" and not row.at_return and row.by_btf:
        yield from _security_points(row, place)
    else:
        name, _, offset = place.partition("+")
        if _PATTERN.search(name):
            raise UnsupportedError(f"{row.name}/{place} names several functions", _NAME_ONE)
        yield AttachPoint(name, int(offset or "0", 0))


def _security_points(row: AttachType, place: str) -> Iterator[AttachPoint]:
    if row.expected == TraceAttachType.MODIFY_RETURN:  # of any function, by its whole name
        yield AttachPoint(place)
        return
    # In BTF a security hook is a function of a longer name, which the row's own points have.
    example = next(iter(row.points(_of_kind(row)[0]))).name
    hook = _of_kind(row)[0].security_hook or ""
    prefix = example.removesuffix(hook)
    yield AttachPoint(place if place.startswith(prefix) else f"{prefix}{place}")


def _user_point(place: str) -> AttachPoint:
    file, _, function = place.rpartition(":")
    if _PATTERN.search(function):
        raise UnsupportedError(f"{place} names several functions", _NAME_ONE)
    function, _, offset = function.partition("+")
    library = re.fullmatch(r"lib(.+)\.so[.\d]*", file)
    try:
        point = user_point(f"{library[1] if library else file}:{function}")
        return replace(point, name=place, offset_bytes=point.offset_bytes + int(offset or "0", 0))
    except BadUseError as error:
        raise UnsupportedError(error.what, error.remedy) from error


def _of_kind(row: AttachType) -> list[Workload]:
    return [each for each in WORKLOADS.values() if row.workload_kind in each.kinds]


def _like(row: AttachType) -> Iterable[AttachType]:
    """Return the rows that the kernel calls the same, the one of that name first."""
    if row.group != "tracepoints":
        return [row]
    return [row, *(each for each in ATTACH_TYPES.values() if each.kernel_name == row.name)]


def _passing(row: AttachType, points: tuple[AttachPoint, ...]) -> Iterator[Workload]:
    """Yield the workloads that have one of the points themselves."""
    if row.workload_kind in ("function", "usdt"):
        return
    for workload in _of_kind(row):
        if not set(points).isdisjoint(row.points(workload)):
            yield workload
