"""A prediction beside what came true, and whether the one may be taken for the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ebpf_overhead.measure.outcome import Outcome
from ebpf_overhead.measure.stats import Interval, quartiles
from ebpf_overhead.report.record import Count
from ebpf_overhead.studies.validation.process import Truth
from ebpf_overhead.tools.estimate.answer import Share
from ebpf_overhead.workload.paced_load import Pace

# What a prediction may be off by where its interval, that of the overhead alone, is narrower.
TOLERANCE = 0.15


@dataclass(frozen=True)
class Prediction:
    """What ``estimate`` said of a load.

    Attributes
    ----------
    events_per_second : float
        As it counted them.
    events : int
        How many.
    counted_by : str
        The hook that counted.
    overhead : Interval
        Of one event, ns (or instructions).
    core_share : Share
        What the probe would take of one core.
    """

    events_per_second: float
    events: Count
    counted_by: str
    overhead: Interval
    core_share: Share


@dataclass(frozen=True)
class Validation(Outcome):
    """A case's prediction and truth, or the reason why there is none: see `Outcome`.

    Attributes
    ----------
    pace : Pace
        How often the load called.
    prediction : Prediction or None
        What was predicted.
    truth : Truth or None
        What came true.
    """

    pace: Pace = field(kw_only=True)
    prediction: Prediction | None = None
    truth: Truth | None = None

    @property
    def true_share(self) -> Share:
        """Share of one core that the probe took, from the load's CPU time."""
        assert self.truth is not None
        return Share.of(self.pace.calls_per_s, self.truth.sampled.overhead)

    @property
    def load_share(self) -> float:
        """Share of one core that the load takes without the probe."""
        assert self.truth is not None
        per_call_ns = quartiles(self.truth.sampled.samples.baseline).median
        return per_call_ns * self.pace.calls_per_s / 1e9

    @property
    def ratio(self) -> float:
        """Truth as a multiple of the prediction."""
        assert self.prediction is not None
        return self.true_share.estimate / self.prediction.core_share.estimate

    @property
    def verdict(self) -> Literal["interval", "tolerance", "unsure", "off"]:
        """Return how near they are.

        ``interval``: the truth lies in the interval that was stated; ``tolerance``: within 15 %
        of the prediction; ``unsure``: neither, but its own interval reaches that far; ``off``.
        """
        assert self.prediction is not None
        said, true = self.prediction.core_share, self.true_share
        if said.low <= true.estimate <= said.high:
            return "interval"
        lowest, highest = _allowed(said)
        if lowest <= true.estimate <= highest:
            return "tolerance"
        return "unsure" if true.low <= highest and true.high >= lowest else "off"


def _allowed(said: Share) -> tuple[float, float]:
    margin = TOLERANCE * abs(said.estimate)
    return min(said.low, said.estimate - margin), max(said.high, said.estimate + margin)
