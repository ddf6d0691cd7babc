"""The record of what handing records over costs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ebpf_overhead.phases import spent
from ebpf_overhead.report import record
from ebpf_overhead.studies.delivery.run import Delivery, DeliveryResult


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
class MeasuredDelivery(Delivery, AskedDelivery, record.Measured):
    """A case with what a record costs."""


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
