"""A record taken apart: overhead = hook + body, and hook = entry + dispatch.

hook
    What the program ``empty`` costs at an attach type: all that is paid for being called.
dispatch
    What a second ``empty`` costs at a hook where one is attached already
    (``measure --beside``): the part of the hook that each program pays for itself.
entry
    The rest of the hook, paid once however many programs there are.
body
    What a program costs beyond ``empty`` at the same attach type: what it does itself.

Whether a program's body is the same at every attach type (additivity) is a finding, not
assumed: the spread over the attach types is part of the result.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ebpf_overhead.errors import BadUseError
from ebpf_overhead.report.record import Record, measured

_EMPTY = "empty"
# A body differs between attach types if by more than this share of it, and by more than
# the intervals allow.
_RELATIVE = 0.01


@dataclass(frozen=True)
class Cost:
    """An estimate with its uncertainty, in the record's unit.

    Attributes
    ----------
    estimate : float
        The cost of a call.
    half_width : float
        Half the width of its interval.
    """

    estimate: float
    half_width: float

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.estimate - other.estimate, math.hypot(self.half_width, other.half_width))


@dataclass(frozen=True)
class HookCost:
    """What an attach type costs before its program has done anything.

    Attributes
    ----------
    total : Cost
        The program ``empty``.
    dispatch : Cost or None
        The part each program pays; None where that was not measured.
    """

    total: Cost
    dispatch: Cost | None = None

    @property
    def entry(self) -> Cost | None:
        """The part that is paid once."""
        return None if self.dispatch is None else self.total - self.dispatch


@dataclass(frozen=True)
class Body:
    """What a program does, by attach type.

    Attributes
    ----------
    program : str
        Its name.
    costs : dict of str to Cost
        Attach types at which it was measured, and what it cost there beyond the hook.
    """

    program: str
    costs: dict[str, Cost]

    @property
    def spread(self) -> float:
        """By how much the attach types differ at most."""
        estimates = [cost.estimate for cost in self.costs.values()]
        return max(estimates) - min(estimates)

    @property
    def additive(self) -> bool:
        """Whether it costs the same wherever it is attached."""
        costs = self.costs.values()
        uncertain = 2 * max(cost.half_width for cost in costs)
        relative = _RELATIVE * max(abs(cost.estimate) for cost in costs)
        return self.spread <= max(uncertain, relative)


@dataclass(frozen=True)
class Decomposition:
    """Hooks and bodies of a record.

    Attributes
    ----------
    unit : str
        Of all costs, per call of the workload.
    kernel : str
        Release of the kernel that was measured.
    hooks : dict of str to HookCost
        By attach type.
    bodies : list of Body
        By program.
    """

    unit: str
    kernel: str
    hooks: dict[str, HookCost]
    bodies: list[Body]


def decompose(record: Record, beside: Record | None = None) -> Decomposition:
    """Take a record apart.

    Parameters
    ----------
    record : dict
        Of ``measure``, with the program ``empty`` and others, for one workload.
    beside : dict, optional
        Of ``measure --beside`` with the program ``empty``, on the same kernel.

    Raises
    ------
    BadUseError
        The records do not have what is needed, or do not belong together.
    """
    costs = _overheads(record, "empty and other programs")
    hooks = {
        attach: HookCost(cost) for (attach, program), cost in costs.items() if program == _EMPTY
    }
    if not hooks:
        raise BadUseError(
            "no case of the program empty was measured", "measure it too: --program empty"
        )
    if beside is not None:
        _check_same(record, beside)
        dispatch = _overheads(beside, "the program empty")
        hooks = {
            name: HookCost(hook.total, dispatch.get((name, _EMPTY))) for name, hook in hooks.items()
        }
    programs = dict.fromkeys(program for _, program in costs if program != _EMPTY)
    bodies = [_body(program, hooks, costs) for program in programs]
    return Decomposition(
        _units(record).pop(), _kernel(record), hooks, [body for body in bodies if body.costs]
    )


def _body(program: str, hooks: dict[str, HookCost], costs: dict[tuple[str, str], Cost]) -> Body:
    where = (name for name in hooks if (name, program) in costs)
    return Body(program, {name: costs[name, program] - hooks[name].total for name in where})


def _overheads(record: Record, wanted: str) -> dict[tuple[str, str], Cost]:
    cases = measured(record)
    if not cases:
        raise BadUseError("no case of the record was measured", f"measure {wanted}")
    if len({case["target"] for case in cases}) > 1 or len(_units(record)) > 1:
        raise BadUseError("the record has several targets or units", "measure one at a time")
    return {(case["attach"], case["program"]): _cost(case["overhead"]) for case in cases}


def _cost(overhead: dict[str, Any]) -> Cost:
    return Cost(overhead["estimate"], (overhead["high"] - overhead["low"]) / 2)


def _units(record: Record) -> set[str]:
    return {case["unit"] for case in record["cases"]}


def _kernel(record: Record) -> str:
    return str(record["machine"]["kernel"]["release"])


def _check_same(record: Record, beside: Record) -> None:
    if not all("beside" in case for case in beside["cases"]):
        raise BadUseError("the second record was not made by measure --beside", "make it so")
    if (_kernel(record), _units(record)) != (_kernel(beside), _units(beside)):
        raise BadUseError(
            f"the records are of kernels {_kernel(record)} and {_kernel(beside)},"
            f" in {_units(record).pop()} and {_units(beside).pop()}",
            "take both from one kernel and clock",
        )
