"""The back end that makes a program object of a bpftrace script, with bpftrace.

Which of its programs belongs to which probe is told by where bpftrace would have attached them,
and by the order in which it would.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from ebpf_overhead.bpf import btf, perf_event, pseudofs
from ebpf_overhead.errors import FailedError, OverheadError, UnsupportedError
from ebpf_overhead.printable import printable
from ebpf_overhead.programs import bcc_symbols
from ebpf_overhead.programs.bpftrace_calls import ScriptProgram
from ebpf_overhead.programs.bpftrace_points import TRACING
from ebpf_overhead.programs.bpftrace_run import ScriptRun, run_script
from ebpf_overhead.programs.bpftrace_text import SECTIONS, ScriptProbe, probes_of, without
from ebpf_overhead.programs.libbpf_object import RelocatedObject
from ebpf_overhead.programs.object_settings import ObjectSettings

# Attached last first, so that the kernel runs them in the order of the script.
_LAST_FIRST = ("kprobe", "uprobe", "fentry", "rawtracepoint")
_SAID = re.compile(r"(?:stdin:(?P<where>[\d:-]+): )?(?:ERROR|FATAL): (?P<what>.*)")
# Said on machines where it does not matter.
_HARMLESS = "couldn't set RLIMIT_MEMLOCK"
_PMUS = {
    "kprobe": perf_event.kprobe_pmu,
    "kretprobe": perf_event.kprobe_pmu,
    "uprobe": perf_event.uprobe_pmu,
    "uretprobe": perf_event.uprobe_pmu,
}
_TYPED = {name: kind for kind, name in TRACING.items()}
_NEVER = {
    "BEGIN": "runs once, when the script starts",
    "END": "runs once, when the script ends",
    "interval": "runs by the clock",
    "profile": "runs by the clock",
    "usdt": "no workload passes a USDT probe of another file: write it as uprobe:FILE:FUNCTION",
}


def of_script(text: str, wanted: ObjectSettings, what: str) -> RelocatedObject:
    """Have bpftrace compile a script for this kernel, and take its programs and maps over.

    Parameters
    ----------
    text : str
        The script.
    wanted : ObjectSettings
        Which of its probes are wanted.
    what : str
        Its name, for messages.

    Raises
    ------
    OverheadError
        bpftrace is missing, or refuses the script, with its reason.
    """
    probes = probes_of(text)
    failures = {each.name: why for each in probes if (why := _not_measured(each))}
    gone = {each.name: why for each in probes if (why := _lacking(each))}
    while True:
        left = [each for each in probes if each.name not in gone]
        if gone and not any(each.name in wanted.programs for each in left):
            raise next(iter(gone.values()))
        run = run_script(without(text, gone).encode(errors="surrogateescape"), wanted.parameters)
        if not run.ended:
            return _object_of(run, left, failures | gone)
        reason = _reason(run.said, what)
        refused = _refused(run.said, left, text)
        if not refused:
            # What bpftrace says of the rest of a script may be about what is missing there.
            raise next(iter(gone.values()), reason)
        for each in refused:
            line = _position(text, each.where[0])[0]
            gone[each.name] = UnsupportedError(_reason(run.said, what, str(line)).what)


def _not_measured(probe: ScriptProbe) -> OverheadError | None:
    """Return why no call of a workload can run a probe, if that is so."""
    if probe.kind in SECTIONS:
        return None
    why = _NEVER.get(probe.kind, f"no workload here calls a hook of the kind {probe.kind}")
    return UnsupportedError(f"{probe.name}: {why}")


def _lacking(probe: ScriptProbe) -> OverheadError | None:
    """Return why this kernel cannot have a probe, if no bpftrace is needed to tell that."""
    kind, name = _TYPED.get(probe.kind), probe.place.rpartition(":")[2]
    try:
        if probe.kind in _PMUS:
            _PMUS[probe.kind]()
        if kind and not _is_pattern(name) and btf.find_id(name, kind) is None:
            return UnsupportedError(f"{name} not in the kernel's BTF")
    except UnsupportedError as error:
        return error
    return None


def _reason(said: str, what: str, line: str = "") -> FailedError:
    """Return what bpftrace says of a script that it does not run.

    Parameters
    ----------
    said : str
        All that it wrote.
    what : str
        Name of the script.
    line : str
        Where the probe is that it is about, if that is known.
    """
    lines = [line.strip() for line in said.splitlines() if line.strip() and _HARMLESS not in line]
    for each in lines:
        if error := _SAID.match(each):
            where = line or error["where"]
            place = f"{what}:{where}" if where else what
            return FailedError(printable(f"{place}: bpftrace: {error['what']}"))
    if not lines or lines[-1].startswith("Attaching"):
        return FailedError(f"{what}: bpftrace ends at once", "leave exit() out of BEGIN")
    return FailedError(printable(f"{what}: bpftrace: {lines[-1]}"))


def _refused(said: str, probes: Sequence[ScriptProbe], text: str) -> list[ScriptProbe]:
    """Return the probes that an error of bpftrace is about; none if it is about all of them."""
    for line in said.splitlines():
        error = None if _HARMLESS in line else _SAID.match(line)
        if error is None:
            continue
        return (
            _named(probes, error["what"], whole=True)
            or _probes_at(probes, text, error["where"] or "")[:1]
            or _named(probes, error["what"], whole=False)
        )
    return []


def _named(probes: Sequence[ScriptProbe], said: str, whole: bool) -> list[ScriptProbe]:
    """Return the probes that a message names, or whose functions it names."""
    found = []
    for each in filter(lambda probe: probe.place, probes):
        last = each.place.rpartition(":")[2]
        name = last if not whole else each.place if last != each.place else each.name
        if re.search(rf"(?<!\w){re.escape(name)}(?![\w.])", said):
            found.append(each)
    return found


def _probes_at(probes: Sequence[ScriptProbe], text: str, where: str) -> list[ScriptProbe]:
    """Return the probes that begin in what bpftrace names: ``3:1-15``, or lines, ``3-5``.

    It counts what is before a name, back to the end of the clause before, as a part of it.
    """
    place = re.fullmatch(r"(\d+)(?::(\d+))?-(\d+)", where)
    if place is None:
        return []
    line, column, last = (int(each or 0) for each in place.groups())
    first, end = ((line, column), (line, last)) if column else ((line + 1, 0), (last + 1, 0))
    return [each for each in probes if first <= _position(text, each.where[0]) < end]


def _position(text: str, place: int) -> tuple[int, int]:
    """Return the line and the column of a character, counted from one."""
    before = text[:place]
    return before.count("\n") + 1, place - before.rfind("\n")


def _object_of(
    run: ScriptRun, probes: Sequence[ScriptProbe], failures: dict[str, OverheadError]
) -> RelocatedObject:
    """Return the programs by the names of probes; those that have none get a failure."""
    found: dict[str, ScriptProgram] = {}
    for kind in SECTIONS:
        of_kind = [each for each in probes if each.kind == kind]
        attached = [each for each in run.programs if each.point.kind == kind]
        if kind == "uprobe" and any(each.kind == "usdt" for each in probes):
            # The kernel has uprobes for those.
            attached = [each for each in attached if any(_fits(probe, each) for probe in of_kind)]
        found |= _assigned(kind, of_kind, attached)
    for each in probes:
        if each.name not in found and each.name not in failures:
            failures[each.name] = UnsupportedError(
                f"{each.name}: bpftrace finds no such place",
                "bpftrace -l lists those that there are",
            )
    return RelocatedObject(
        {name: each.function for name, each in found.items()},
        {name: each.load for name, each in found.items()},
        run.map_fds,
        run.types_fd,
        [],
        [],
        failures,
        [],
    )


def _assigned(
    kind: str, probes: Sequence[ScriptProbe], attached: Sequence[ScriptProgram]
) -> Mapping[str, ScriptProgram]:
    """Return the programs of probes of a kind.

    Raises
    ------
    FailedError
        One of them belongs to none.
    """
    usual = list(reversed(attached)) if kind in _LAST_FIRST else list(attached)
    for order in (usual, list(reversed(usual))):
        found: dict[str, ScriptProgram] = {}
        left = list(probes)
        for program in order:
            while left and not _fits(left[0], program):
                left.pop(0)
            if not left:
                break
            found.setdefault(left[0].name, program)
            if not _is_pattern(left[0].place):
                left.pop(0)
        else:
            return found
    raise FailedError(
        f"bpftrace attaches {len(attached)} programs as {kind}, which are not those of the script",
        "measure its probes one by one: --only",
    )


def _is_pattern(place: str) -> bool:
    return bool(re.search(r"[*?\[]", place))


def _fits(probe: ScriptProbe, program: ScriptProgram) -> bool:
    """Whether a program may be that of a probe."""
    names, (head, _, last) = program.point.names, probe.place.rpartition(":")
    if probe.kind == "tracepoint":
        return any(_event_id(head, each) == names[0] for each in _events(head, last))
    if probe.kind in ("fentry", "fexit"):
        asked = program.load.loaded_as
        known = None if _is_pattern(last) else btf.find_id(last, asked.attach)
        return known in (None, asked.btf_id)
    if probe.kind in ("uprobe", "uretprobe"):
        return any(_is_in(each, head, last, program.point.offset_bytes) for each in names)
    wanted = last.partition("+")[0]
    return not names or any(fnmatchcase(each, wanted) for each in names)


def _is_in(path: str, file: str, function: str, offset_bytes: int | None) -> bool:
    """Whether a place in a file of user code is that of a probe, which names file and function."""
    library = re.fullmatch(rf"{re.escape(file)}([.-].*)?", Path(path).name)
    if not library and os.path.realpath(path) != os.path.realpath(file):
        return fnmatchcase(path, file)
    name, _, inside = function.partition("+")
    if offset_bytes is None or _is_pattern(name):
        return True
    if name.isascii() and name[0].isdigit():  # an address
        return True
    start = bcc_symbols.file_offset(path, name)
    return start is not None and start + int(inside or "0", 0) == offset_bytes


@cache
def _events(category: str, pattern: str) -> list[str]:
    """Return the tracepoints of a category that a pattern names."""
    if not _is_pattern(pattern):
        return [pattern]
    try:
        return [
            each
            for each in pseudofs.names("tracefs", f"events/{category}")
            if fnmatchcase(each, pattern)
        ]
    except OSError:
        return []


@cache
def _event_id(category: str, name: str) -> str:
    try:
        return pseudofs.read_text("tracefs", f"events/{category}/{name}/id").strip()
    except OSError:
        return ""
