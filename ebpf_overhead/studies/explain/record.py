"""The record of ``explain``: instructions per call, by function and by stack."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ebpf_overhead.report.record import (
    Asked,
    Count,
    Head,
    Measured,
    Record,
    Unit,
    Unmeasured,
    make,
)
from ebpf_overhead.studies.explain.call_stacks import call_stacks
from ebpf_overhead.studies.explain.run import STUDY, Explained, Explanation, SteppedCall
from ebpf_overhead.studies.explain.stepping import in_kernel
from ebpf_overhead.tools.profile.parts import Part, Target, part_of, target_of
from ebpf_overhead.tools.profile.stacks import Stacks, fold
from ebpf_overhead.workload.workloads import WORKLOADS

# Names that differ from load to load: the tag of a program, the number of a trampoline.
_OF_THIS_LOAD = re.compile(r"(?<=^bpf_prog)_[0-9a-f]{16}|(?<=^bpf_trampoline)(_\d+)+$")


@dataclass(frozen=True)
class FunctionRow:
    """The instructions of a function in one part of a call.

    Attributes
    ----------
    name : str
        Its symbol, without what differs from load to load.
    part : str
        Part of the call: user, target, dispatch, program or helpers.
    unprobed, probed : int
        Instructions per call without the probe and with it; callees are not included.
    """

    name: str
    part: Literal["user", "target", "dispatch", "program", "helpers"]
    unprobed: Count
    probed: Count


@dataclass(frozen=True)
class InstructionRow:
    """One instruction of the kernel.

    Attributes
    ----------
    address : int
        Where it lies.
    function : str
        The function that it lies in.
    offset_bytes : int
        From the function's beginning.
    code : str
        Its bytes, and what follows them, in hexadecimal.
    unprobed, probed : int
        How often one call executes it without the probe and with it.
    """

    address: int
    function: str
    offset_bytes: int
    code: str
    unprobed: Count
    probed: Count


@dataclass(frozen=True, kw_only=True)
class OnKernel(Asked):
    """What was asked, and of which kernel.

    Attributes
    ----------
    kernel : str
        Release of the guest's kernel.
    """

    kernel: str


@dataclass(frozen=True, kw_only=True)
class Unexplained(OnKernel, Unmeasured):
    """A case that could not be measured."""


@dataclass(frozen=True, kw_only=True)
class ExplainedCase(OnKernel, Measured):
    """Where the instructions of a case go.

    Attributes
    ----------
    hook : str
        What the program was attached to.
    program_tag : str or None
        The kernel's tag of the program.
    measured : float
        The overhead that was measured, in instructions per call.
    unprobed, probed : int
        Instructions of one call, stepped through.
    calls_alike : bool
        Whether each call that was stepped through had as many.
    functions : list of FunctionRow
        Where they are.
    unprobed_stacks, probed_stacks : dict of str to int
        Instructions of each stack.  The outermost frame is first, frames are separated by ``;``,
        and frames of the kernel end with ``_[k]``.
    instructions : list of InstructionRow, optional
        Each of them, in the order in which the probed call first executes it, if that was asked.
    """

    hook: str
    program_tag: str | None
    measured: float
    unprobed: Count
    probed: Count
    calls_alike: bool
    functions: list[FunctionRow]
    unprobed_stacks: dict[str, int]
    probed_stacks: dict[str, int]
    instructions: list[InstructionRow] | None = None


@dataclass(frozen=True, kw_only=True)
class ExplainHead(Head):
    """A record of ``explain``.

    Attributes
    ----------
    unit : str
        Unit of all counts.
    """

    unit: Unit = "instructions"


ROWS = (ExplainedCase, Unexplained)


def make_record(explanation: Explanation) -> Record:
    """Return the record of what came of some cases on one kernel."""
    measured = explanation.measured
    kept = {name: measured[name] for name in ("machine", "guest", "phases_s")}
    head = ExplainHead(study=STUDY, **kept)
    release = measured["machine"]["kernel"]["release"]
    return make(head, [_case(each, release) for each in explanation.cases])


def _case(explained: Explained, kernel: str) -> ExplainedCase | Unexplained:
    row = explained.row
    asked = {name: row[name] for name in ("target", "attach", "program")} | {"kernel": kernel}
    if explained.unprobed is None or explained.probed is None:
        why = {name: row[name] for name in ("status", "reason", "remedy")}
        return Unexplained(**asked, **why)
    unprobed, probed = explained.unprobed, explained.probed
    hook = probed.started.hook
    without, having = (call_stacks(half.places, _named(half)) for half in (unprobed, probed))
    return ExplainedCase(
        **asked,
        status="measured",
        reason=None,
        remedy=None,
        hook=hook,
        program_tag=row.get("program_tag"),
        measured=row["overhead"]["estimate"],
        unprobed=len(unprobed.places),
        probed=len(probed.places),
        calls_alike=unprobed.alike and probed.alike,
        functions=_functions(without, having, target_of(WORKLOADS[row["target"]], hook)),
        unprobed_stacks=fold(without),
        probed_stacks=fold(having),
        instructions=_instructions(unprobed, probed) if probed.code else None,
    )


def _named(half: SteppedCall) -> Callable[[int], str]:
    return lambda address: half.symbols.find(address)[0]


def _functions(unprobed: Stacks, probed: Stacks, target: Target) -> list[FunctionRow]:
    without, having = (_by_function(stacks, target) for stacks in (unprobed, probed))
    order = list(Part)
    keys = sorted({*without, *having}, key=lambda key: (order.index(key[1]), -having[key], key[0]))
    return [
        FunctionRow(name, part.name.lower(), without[name, part], having[name, part])  # type: ignore[arg-type]
        for name, part in keys
    ]


def _by_function(stacks: Stacks, target: Target) -> Counter[tuple[str, Part]]:
    found: Counter[tuple[str, Part]] = Counter()
    for stack, count in stacks.items():
        found[_OF_THIS_LOAD.sub("", stack[-1].name), part_of(stack, target)] += count
    return found


def _instructions(unprobed: SteppedCall, probed: SteppedCall) -> list[InstructionRow]:
    times = [Counter(place.pc for place in half.places) for half in (unprobed, probed)]
    rows = []
    for address in dict.fromkeys(place.pc for place in probed.places if in_kernel(place.pc)):
        function, offset_bytes = probed.symbols.find(address)
        code = probed.code[address].hex()
        rows.append(
            InstructionRow(
                address, function, offset_bytes, code, times[0][address], times[1][address]
            )
        )
    return rows
