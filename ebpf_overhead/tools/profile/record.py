"""Profiles as JSON, and their figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ebpf_overhead.measure.stats import CONFIDENCE, share_margin
from ebpf_overhead.report.record import Count, Head, Positive, Record, Unit, to_record
from ebpf_overhead.tools.profile.flamegraph import Panel, draw
from ebpf_overhead.tools.profile.loop import LoopProfile, SampledLoop
from ebpf_overhead.tools.profile.parts import Part, Target, program_of, shares
from ebpf_overhead.tools.profile.process import ProcessProfile
from ebpf_overhead.tools.profile.stacks import Stacks, fold, unfold


@dataclass(frozen=True)
class PartShare:
    """A part's share of the samples.

    Attributes
    ----------
    share : float
        The share, 0..1.
    margin : float
        Half the width of its interval.
    """

    share: float
    margin: float


@dataclass(frozen=True, kw_only=True)
class PartShares:
    """Every part's share of the samples."""

    user: PartShare
    target: PartShare
    dispatch: PartShare
    program: PartShare
    helpers: PartShare


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A sampled profile.

    Attributes
    ----------
    samples : int
        Number of samples.
    per_call : float, optional
        Median time per call without sampling, in the record's unit.
    calls, hits : int, optional
        Calls of the run count check, and the runs of the program.
    parts : PartShares
        The shares of the parts.
    programs : dict of str to float
        Share of samples in each BPF program, including what it calls.
    stacks : dict of str to int
        Samples of each stack.  The outermost frame is first, frames are separated by ``;``, and
        frames of the kernel end with ``_[k]``.
    """

    samples: Positive
    per_call: float | None = None
    calls: Count | None = None
    hits: Count | None = None
    parts: PartShares
    programs: dict[str, float]
    stacks: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Profiles:
    """The profiles of a loop, or that of a process."""

    unprobed: Profile | None = None
    probed: Profile | None = None
    process: Profile | None = None


@dataclass(frozen=True, kw_only=True)
class ProfileRecord(Head):
    """A record of ``profile``.

    Attributes
    ----------
    unit : str
        Unit of the time per call.
    jit_symbols_switched_on : bool
        Whether JIT symbols were off before.
    confidence : float
        Confidence of the margins.
    target_functions : list of str
        Kernel functions of the workload.
    target_in_user_space : bool
        Whether the workload is a function of the process.
    target, attach, program, hook : str, optional
        Of a loop: the workload, and the probe on it.
    pid : int, optional
        Of a process: its id.
    command : str, optional
        Of a process: its name.
    seconds : float, optional
        Of a process: duration of the sampling.
    profiles : Profiles
        The profiles.
    """

    study: str = "profile"
    unit: Unit
    jit_symbols_switched_on: bool
    confidence: float
    target_functions: list[str]
    target_in_user_space: bool
    target: str | None = None
    attach: str | None = None
    program: str | None = None
    hook: str | None = None
    pid: int | None = None
    command: str | None = None
    seconds: float | None = None
    profiles: Profiles


def make_loop_record(
    profile: LoopProfile, machine: dict[str, Any], unit: Unit, switched: bool
) -> Record:
    """Return the record of a loop's profile.

    Parameters
    ----------
    profile : LoopProfile
        The profile.
    machine : dict
        The facts about the machine.
    unit : str
        ``ns`` or ``instructions``.
    switched : bool
        Whether JIT symbols had to be switched on.
    """
    case = profile.case
    record = ProfileRecord(
        **_common(machine, unit, switched, profile.target),
        target=case.workload.name,
        attach=case.attach.name,
        program=case.program.name,
        hook=profile.hook,
        profiles=Profiles(
            unprobed=_half(profile.unprobed, profile.target),
            probed=_half(profile.probed, profile.target),
        ),
    )
    return to_record(record)


def make_process_record(
    profile: ProcessProfile, machine: dict[str, Any], unit: Unit, switched: bool
) -> Record:
    """Return the record of a process's profile; the parameters are as for a loop."""
    record = ProfileRecord(
        **_common(machine, unit, switched, Target()),
        pid=profile.pid,
        command=profile.command,
        seconds=profile.seconds,
        profiles=Profiles(process=_profile(profile.stacks, Target())),
    )
    return to_record(record)


def _common(machine: dict[str, Any], unit: Unit, switched: bool, target: Target) -> dict[str, Any]:
    return {
        "machine": machine,
        "unit": unit,
        "jit_symbols_switched_on": switched,
        "confidence": CONFIDENCE,
        "target_functions": sorted(target.functions),
        "target_in_user_space": target.in_user_space,
    }


def _half(half: SampledLoop, target: Target) -> Profile:
    hits = half.hits
    checked = {} if hits is None else {"calls": hits.calls, "hits": hits.hits}
    return _profile(half.stacks, target, per_call=half.per_call, **checked)


def _profile(stacks: Stacks, target: Target, **timed: Any) -> Profile:
    samples = stacks.total()
    programs: dict[str, int] = {}
    for stack, count in stacks.items():
        name = program_of(stack)
        if name is not None:
            programs[name] = programs.get(name, 0) + count
    found = {
        part.name.lower(): PartShare(share, share_margin(share, samples))
        for part, share in shares(stacks, target).items()
    }
    return Profile(
        **timed,
        samples=samples,
        parts=PartShares(**found),
        programs={name: count / samples for name, count in sorted(programs.items())},
        stacks=fold(stacks),
    )


def figure(record: Record) -> str:
    """Return a record's flame graphs, as SVG."""
    target = Target(frozenset(record["target_functions"]), record["target_in_user_space"])
    return draw(
        [
            Panel(
                _title(record, name),
                unfold(profile["stacks"]),
                target,
                profile.get("per_call", profile["samples"]),
                f"{record['unit']} per call" if "per_call" in profile else "samples",
            )
            for name, profile in record["profiles"].items()
        ]
    )


def _title(record: Record, name: str) -> str:
    release = record["machine"]["kernel"]["release"]
    if name == "process":
        return f"{record['command']} ({record['pid']}), {release}"
    if name == "unprobed":
        return f"{record['target']}, no probe"
    return f"{record['target']}, {record['attach']} {record['program']}, {release}"


def part_named(key: str) -> Part:
    """Return the part that a record names."""
    return Part[key.upper()]
