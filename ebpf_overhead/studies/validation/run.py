"""Predict what a probe will cost a steady load, attach it, and see."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

from ebpf_overhead.closing import scratch_directory
from ebpf_overhead.errors import BadUseError, FailedError, OverheadError
from ebpf_overhead.hooks.attach_type import SYSCALL, USER
from ebpf_overhead.hooks.attach_types import COUNTING
from ebpf_overhead.hooks.cases import Case
from ebpf_overhead.measure.cost_cache import Store
from ebpf_overhead.measure.sampling import Precision, choose_cpu
from ebpf_overhead.studies.validation.compare import Prediction, Validation
from ebpf_overhead.studies.validation.process import LoadProcess
from ebpf_overhead.tools.estimate.answer import Estimate
from ebpf_overhead.tools.estimate.at_rate import at_rate
from ebpf_overhead.tools.estimate.calling import callers_sleep
from ebpf_overhead.tools.estimate.costs import Costs, attach_types_for
from ebpf_overhead.tools.estimate.event_cost import EventCost
from ebpf_overhead.tools.estimate.places import Place
from ebpf_overhead.tools.estimate.run import Question, estimate
from ebpf_overhead.tools.tracers.filters import Filters
from ebpf_overhead.workload import _workload, clock
from ebpf_overhead.workload.paced_load import Pace
from ebpf_overhead.workload.workloads import Workload

# A call of these is one event, so that a prediction for the one is one for the other.
TARGETS = ("getpid", "read", "sendto", "getpgid", "function", "usdt")
ATTACH_TYPES = tuple(each.name for each in COUNTING)
# The estimate's 99 % interval, or this share of it, or this much of an event.
_PRECISION = Precision(relative=0.02, absolute=1.0)
# Medians of batches do not mind a few that others kept from their time.
_LATE_MAX = 0.1


@dataclass(frozen=True)
class Options:
    """How to validate.

    Attributes
    ----------
    pace : Pace
        How often the load calls.
    count_s : float
        How long ``estimate`` counts.
    time_s : float
        How long to sample the truth at most.
    truth : {"cpu", "calls"}
        What the truth is taken from: the load's CPU time, or the time of its calls alone.
    """

    pace: Pace = field(default_factory=Pace)
    count_s: float = 1.0
    time_s: float = 3.0
    truth: str = "cpu"


def validate(
    cases: Iterable[Case], options: Options, progress: Callable[[Case, float], None]
) -> Iterator[Validation]:
    """Validate cases one after the other.

    Parameters
    ----------
    cases : iterable of Case
        Probes, each on a load that calls its workload.
    options : Options
        How.
    progress : callable
        Told the case and the share of it that is done.

    Yields
    ------
    Validation
        One a case; never an exception for what this kernel cannot do.
    """
    with scratch_directory() as folder:
        for number, case in enumerate(cases):
            # Overheads are measured again, just before: a machine's speed changes by the minute.
            # Instructions do not, so there each probe's are measured once.
            name = f"{number}.json" if clock.current().unit == "ns" else "all.json"
            costs = Costs(Store(folder / name))
            progress(case, 0.0)
            try:
                yield _validate(case, options, costs, partial(progress, case))
            except BadUseError:
                raise
            except OverheadError as error:
                yield Validation.of_error(case, error, pace=options.pace)


def _validate(
    case: Case, options: Options, costs: Costs, progress: Callable[[float], None]
) -> Validation:
    # Before there is a load, which would disturb it.
    cost = costs.of(case.attach.name, case.program.name)
    if cost.overhead is None:
        return Validation(case, cost.status, cost.reason, pace=options.pace)
    progress(0.2)
    with LoadProcess(case, options.pace, choose_cpu(), options.truth) as process:
        prediction = _predict(case, process, options, costs)
        progress(0.5)
        truth = process.measure(_PRECISION, options.time_s)
    if truth.late > _LATE_MAX * truth.batches:
        raise FailedError(
            f"the load could not keep its pace: {truth.late} of {truth.batches} batches came late",
            "ask for fewer calls per second (--rate), or try when the machine does less",
        )
    return Validation(case, "measured", pace=options.pace, prediction=prediction, truth=truth)


def _predict(case: Case, process: LoadProcess, options: Options, costs: Costs) -> Prediction:
    """Ask ``estimate``, as the command does, while the load runs."""
    place = place_of(case.workload)
    served = case.attach.name in attach_types_for(place)
    question = Question(
        (place,),
        case.attach.name if served else None,
        case.program.name,
        Filters(pid=process.pid),
        options.count_s,
        latency=False,
        alternatives=False,
        takes_signals=False,
    )
    process.start()
    try:
        answer = estimate(question, costs, lambda line: None, lambda seconds: None)
        cost = answer.rates[0].cost if served else _cost_at(case, place, answer, question, costs)
    finally:
        process.stop()
    rate = replace(answer.rates[0], cost=cost)
    if cost.overhead is None or rate.share is None:
        raise FailedError(f"its cost at {answer.mean:,.0f} calls/s is unknown: {cost.reason}")
    return Prediction(rate.mean, rate.events, rate.counted_by, cost.overhead, rate.share)


def _cost_at(
    case: Case, place: Place, answer: Estimate, question: Question, costs: Costs
) -> EventCost:
    """Return the cost of an attach type that ``estimate`` is not asked about.

    It needs more than the name of a place.
    """
    name = case.program.name
    sleeps = partial(callers_sleep, [place], question.filters)
    return at_rate(costs, name, answer.mean, [place], sleeps=sleeps).of(case.attach.name, name)


def place_of(target: Workload) -> Place:
    """Return a workload as ``estimate`` names it."""
    if target.syscall is not None:
        return Place(SYSCALL, target.syscall)
    path, symbol, _ = _workload.workload_symbol(target.name)
    return Place(USER, f"{path}:{symbol}")
