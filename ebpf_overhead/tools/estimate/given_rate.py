"""An estimate for a rate that is given: nothing is counted, and the kernel may be another one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ebpf_overhead.errors import BadUseError
from ebpf_overhead.hooks.attach_type import FUNCTION, SYSCALL, USER
from ebpf_overhead.hooks.cases import ATTACH_TYPES
from ebpf_overhead.measure.in_guest import measure_in_guest
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.programs.catalogue import is_file
from ebpf_overhead.tools.estimate.alternatives import alternative
from ebpf_overhead.tools.estimate.answer import (
    GIVEN,
    Alternative,
    Estimate,
    PlaceRate,
    cheapest_first,
)
from ebpf_overhead.tools.estimate.at_rate import at_rate
from ebpf_overhead.tools.estimate.costs import (
    Costs,
    attach_types_for,
    comparable,
    one_program,
    workload_for,
)
from ebpf_overhead.tools.estimate.event_cost import EventCost
from ebpf_overhead.tools.estimate.places import Place, serving
from ebpf_overhead.tools.estimate.run import Question, attach_type_for, judged, notes, reader_notes

_OTHERS_PAY = (
    "a probe on a system call costs the other system calls, too: their rate was not given, so"
    " this is without them"
)


def estimate_given(
    question: Question, events_per_second: float, costs: Costs, say: Callable[[str], None]
) -> Estimate:
    """Return the estimate for a rate on the running kernel.

    Raises
    ------
    OverheadError
        There is more than one place, or it does not have that attach type.
    """
    place = _only(question.places)
    chosen = attach_type_for(place, question.attach)
    names = [name for name in attach_types_for(place) if comparable(name, chosen)]
    prices = at_rate(costs, question.program, events_per_second, [], say)
    cost = {
        name: prices.of(name, question.program, place.first_instruction)
        for name in [chosen, *(names if question.alternatives else [])]
    }
    return _answer(
        question, place, events_per_second, cost, chosen, notes(question.program, cost[chosen])
    )


def estimate_elsewhere(
    question: Question, events_per_second: float, kernel: str, say: Callable[[str], None]
) -> Estimate:
    """Return the estimate for a rate on another kernel, measured in a guest.

    Raises
    ------
    OverheadError
        There is more than one place, it does not have that attach type, the kernel is not
        installed, or measuring failed there.
    """
    place = _only(question.places)
    serve = _serving(place)
    chosen = question.attach or place.attach or serve[0]
    if chosen not in serve:
        attach_type_for(place, chosen)  # raises the reason that holds here, too
        raise BadUseError(
            f"{chosen} cannot be estimated for {place}", f"choose of {', '.join(serve)}"
        )
    names = [
        name
        for name in serve
        if name == chosen or (question.alternatives and comparable(name, chosen))
    ]
    record = _measured(question, place, names, kernel, say)
    cost = {
        case["attach"]: _cost(case, record, place)
        for case in record["cases"]
        if case["attach"] in names
    }
    told = reader_notes(question.program)
    answer = _answer(question, place, events_per_second, cost, chosen, told)
    return replace(answer, kernel=record["machine"]["kernel"]["release"])


def _serving(place: Place) -> list[str]:
    """Return the attach types for a place on any kernel; what is in a file is known here."""
    if place.kind == USER:
        return attach_types_for(place)
    # The compiler changed a function with a dot in its name, and BTF does not have it.
    changed = place.kind == FUNCTION and "." in place.name
    return [each.name for each in serving(place.kind) if not (changed and each.by_btf)]


def _measured(
    question: Question, place: Place, names: list[str], kernel: str, say: Callable[[str], None]
) -> dict[str, Any]:
    workload = workload_for(ATTACH_TYPES[names[0]], place.first_instruction)
    chosen = one_program(question.program)
    program = question.program
    if is_file(program):
        program = os.path.abspath(program)  # noqa: PTH100 - a link stays one
    arguments = ["-m", "ebpf_overhead.cli", "measure", "--format", "json"]
    arguments += [f"--attach={name}" for name in names]
    arguments += [f"--program={program}", f"--workload={workload}"]
    return measure_in_guest(kernel, arguments, say, [chosen])


def _cost(case: Mapping[str, Any], record: Mapping[str, Any], place: Place) -> EventCost:
    first = place.first_instruction
    return EventCost(
        case["attach"],
        case["program"],
        Interval(**case["overhead"]) if case["status"] == "measured" else None,
        f"measured in a guest with {record['machine']['kernel']['release']}",
        case["status"],
        case.get("reason"),
        instruction=None if first is None else first.name,
    )


def _answer(
    question: Question,
    place: Place,
    rate: float,
    cost: dict[str, EventCost],
    chosen: str,
    also: list[str],
) -> Estimate:
    asked = PlaceRate(place, "the rate that was given", 0, rate, rate, cost[chosen])
    others: list[Alternative] = [alternative([asked], [each]) for each in cost.values()]
    answer = Estimate(
        seconds=0.0,
        ended_by=GIVEN,
        rates=[asked],
        peak=rate,
        peak_share=asked.share,
        bystanders=None,
        alternatives=cheapest_first(others) if question.alternatives else [],
        counting=None,
        latency=None,
        budget=None,
        refused={},
        cpus=os.cpu_count() or 1,
        notes=[*also, *([_OTHERS_PAY] if place.kind == SYSCALL else [])],
    )
    return judged(answer, question.budget)


def _only(places: tuple[Place, ...]) -> Place:
    if len(places) != 1:
        raise BadUseError(
            f"a rate was given for {len(places)} attach points", "name one, with its rate"
        )
    return places[0]
