"""The record of what handing records over costs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.phases import spent
from ebpf_overhead.report import record
from ebpf_overhead.studies.delivery.run import DeliveryResult


@dataclass(frozen=True, kw_only=True)
class AskedDelivery(record.Asked):
    """What a case was.

    Attributes
    ----------
    buffer : str
        How records are handed over; see docs/delivery.md.
    reader : str
        Who takes them out.
    rate : int
        Calls per second; 0 for as fast as it goes.
    """

    buffer: str
    reader: str
    rate: record.Count


@dataclass(frozen=True, kw_only=True)
class UnmeasuredDelivery(AskedDelivery, record.Unmeasured):
    """A case that has no numbers."""


@dataclass(frozen=True, kw_only=True)
class MeasuredDelivery(AskedDelivery, record.Measured):
    """What a record costs, in ns.

    Attributes
    ----------
    caller : Interval
        What a call takes longer for it.
    baseline_ns : float
        A call without the probe, at the same rate, with one reading of the clock.
    per_s : float
        Calls per second, as they came out.
    records, lost : int
        Records handed over in the windows, and those that found no room.
    left_out : int
        Calls that do not count, as another task had the CPU meanwhile.
    reader_ns : float or None
        CPU time of the reader; null where nobody reads.
    wakeups : float or None
        How often the reader was woken up.
    """

    caller: Interval
    baseline_ns: float
    per_s: float
    records: record.Count
    lost: record.Count
    left_out: record.Count
    reader_ns: float | None
    wakeups: float | None


ROWS = (MeasuredDelivery, UnmeasuredDelivery)


def make_record(results: Iterable[DeliveryResult]) -> record.Record:
    """Return the record of a run."""
    return record.make(record.Head(study="delivery", phases_s=spent()), map(_row, results))


def _row(found: DeliveryResult) -> MeasuredDelivery | UnmeasuredDelivery:
    asked = {
        **record.outcome(found.outcome),
        "buffer": found.cell.buffer.name,
        "reader": found.cell.reader.name,
        "rate": found.cell.rate,
    }
    if found.delivery is None:
        return record.filled(UnmeasuredDelivery, **asked)
    return record.filled(MeasuredDelivery, found.delivery, **asked)
