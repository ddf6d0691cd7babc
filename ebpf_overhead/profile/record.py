"""Profiles as JSON, described in ``profile.schema.json``, and their figure."""

from __future__ import annotations

from typing import Any

from ebpf_overhead import __version__
from ebpf_overhead.profile.flamegraph import Panel, draw
from ebpf_overhead.profile.loop import Half, LoopProfile
from ebpf_overhead.profile.parts import Part, Target, program_of, shares
from ebpf_overhead.profile.process import ProcessProfile
from ebpf_overhead.profile.stacks import Stacks, fold, unfold
from ebpf_overhead.report.record import Record
from ebpf_overhead.stats import CONFIDENCE, share_margin

SCHEMA_VERSION = 1


def make_loop_record(
    profile: LoopProfile, machine: dict[str, Any], unit: str, switched: bool
) -> Record:
    """Return the record of a loop's profile.

    Parameters
    ----------
    profile : LoopProfile
        The profile.
    machine : dict
        What the machine is.
    unit : str
        ``ns`` or ``instructions``.
    switched : bool
        Whether JIT symbols had to be switched on.
    """
    case = profile.case
    return {
        **_head(machine, unit, switched, profile.target),
        "target": case.target.name,
        "attach": case.attach.name,
        "program": case.program.name,
        "hook": profile.hook,
        "profiles": {
            "unprobed": _half(profile.unprobed, profile.target),
            "probed": _half(profile.probed, profile.target),
        },
    }


def make_process_record(
    profile: ProcessProfile, machine: dict[str, Any], unit: str, switched: bool
) -> Record:
    """Return the record of a process's profile; the parameters are as for a loop."""
    return {
        **_head(machine, unit, switched, Target()),
        "pid": profile.pid,
        "command": profile.command,
        "seconds": profile.seconds,
        "profiles": {"process": _profile(profile.stacks, Target())},
    }


def _head(machine: dict[str, Any], unit: str, switched: bool, target: Target) -> Record:
    return {
        "schema": SCHEMA_VERSION,
        "kind": "profile",
        "version": __version__,
        "machine": machine,
        "unit": unit,
        "jit_symbols_switched_on": switched,
        "confidence": CONFIDENCE,
        "target_functions": sorted(target.functions),
        "target_in_user_space": target.in_user_space,
    }


def _half(half: Half, target: Target) -> dict[str, Any]:
    hits = half.hits
    proof = {} if hits is None else {"calls": hits.calls, "hits": hits.hits}
    return {"per_call": half.per_call, **proof, **_profile(half.stacks, target)}


def _profile(stacks: Stacks, target: Target) -> dict[str, Any]:
    samples = stacks.total()
    programs: dict[str, int] = {}
    for stack, count in stacks.items():
        name = program_of(stack)
        if name is not None:
            programs[name] = programs.get(name, 0) + count
    return {
        "samples": samples,
        "parts": {
            part.name.lower(): {"share": share, "margin": share_margin(share, samples)}
            for part, share in shares(stacks, target).items()
        },
        "programs": {name: count / samples for name, count in sorted(programs.items())},
        "stacks": fold(stacks),
    }


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
                f"{record['unit']} a call" if "per_call" in profile else "samples",
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
