"""The record of predictions beside what came true."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.report import record
from ebpf_overhead.studies.validation.compare import TOLERANCE, Prediction, Validation
from ebpf_overhead.studies.validation.process import Truth
from ebpf_overhead.studies.validation.run import Options
from ebpf_overhead.tools.estimate.answer import Share
from ebpf_overhead.workload import clock


@dataclass(frozen=True, kw_only=True)
class ValidationHead(record.Head):
    """A record of predictions.

    Attributes
    ----------
    unit : str
        Of every overhead.
    tolerance : float
        By what share of it a prediction may be off.
    calls_per_s : int
        How often the load calls.
    batch : int
        Calls one directly after the other.
    count_s : float
        How long ``estimate`` counted.
    time_s : float
        How long the truth was sampled at most.
    truth : str
        What the truth is taken from: the load's CPU time, or the time of its calls alone.
    """

    unit: record.Unit
    tolerance: float
    calls_per_s: record.Positive
    batch: record.Positive
    count_s: float
    time_s: float
    truth: Annotated[str, ("enum", ("cpu", "calls"))]


@dataclass(frozen=True, kw_only=True)
class UnmeasuredValidation(record.Asked, record.Unmeasured):
    """A case that has no numbers."""


@dataclass(frozen=True, kw_only=True)
class Came(record.Counted):
    """What came true.

    Attributes
    ----------
    overhead : Interval
        Of one call.
    core_share : Share
        What the probe took of one core.
    hook : str
        What the program was attached to.
    batches, late_batches : int
        Batches that the load ran, and those that began a whole period too late.
    stopped_by : str
        What ended sampling.
    blocks : int
        Pairs of halves, with the probe and without.
    """

    overhead: Interval
    core_share: Share
    hook: str
    batches: record.Count
    late_batches: record.Count
    stopped_by: Literal["precision", "time"]
    blocks: record.Count


@dataclass(frozen=True, kw_only=True)
class MeasuredValidation(record.Asked, record.Measured):
    """A prediction and what came true.

    Attributes
    ----------
    verdict : str
        ``interval``: the truth lies in the stated interval; ``tolerance``: within the
        tolerance; ``unsure``: neither, but the interval of the truth reaches that far; ``off``.
    ratio : float
        Truth as a multiple of the prediction.
    load_core_share : float
        Share of one core that the load takes unprobed.
    predicted : Prediction
        What was predicted.
    true : Came
        What came true.
    """

    verdict: Literal["interval", "tolerance", "unsure", "off"]
    ratio: float
    load_core_share: float
    predicted: Prediction
    true: Came


ROWS = (MeasuredValidation, UnmeasuredValidation)


def make_record(validations: Iterable[Validation], options: Options) -> record.Record:
    """Return the record of a run that was done with these options."""
    head = record.filled(
        ValidationHead,
        options.pace,
        options,
        study="validation",
        unit=clock.current().unit,
        tolerance=TOLERANCE,
    )
    return record.make(head, map(_row, validations))


def _row(each: Validation) -> MeasuredValidation | UnmeasuredValidation:
    if each.prediction is None or each.truth is None:
        return UnmeasuredValidation(**record.outcome(each))
    return MeasuredValidation(
        **record.outcome(each),
        verdict=each.verdict,
        ratio=each.ratio,
        load_core_share=each.load_share,
        predicted=each.prediction,
        true=_true(each.truth, each.true_share),
    )


def _true(truth: Truth, share: Share) -> Came:
    samples = truth.sampled.samples
    return record.filled(
        Came,
        truth.hits,
        truth,
        truth.sampled,
        core_share=share,
        late_batches=truth.late,
        blocks=len(samples.baseline) // samples.windows_per_block,
    )
