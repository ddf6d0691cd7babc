"""Validations as JSON, described in ``validation.schema.json``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from ebpf_overhead import __version__
from ebpf_overhead.report.record import Record, outcome
from ebpf_overhead.validation.compare import TOLERANCE, Validation
from ebpf_overhead.validation.run import Options

SCHEMA_VERSION = 1


def make_record(
    validations: Iterable[Validation], machine: dict[str, Any], options: Options, unit: str
) -> Record:
    """Return the record of a run.

    Parameters
    ----------
    validations : iterable of Validation
        Every case asked for.
    machine : dict
        What the machine is.
    options : Options
        How it was done.
    unit : str
        ``ns`` or ``instructions``, of every overhead; shares are of one core, 0..1.
    """
    return {
        "schema": SCHEMA_VERSION,
        "kind": "validation",
        "version": __version__,
        "machine": machine,
        "unit": unit,
        "tolerance": TOLERANCE,
        "calls_per_s": options.pace.calls_per_s,
        "batch": options.pace.batch,
        "count_s": options.count_s,
        "time_s": options.time_s,
        "truth": options.truth,
        "cases": [_case(each) for each in validations],
    }


def _case(each: Validation) -> dict[str, Any]:
    row = outcome(each)
    if each.prediction is not None and each.truth is not None:
        row |= {
            "verdict": each.verdict,
            "ratio": each.ratio,
            "load_core_share": each.load_share,
            "predicted": {
                "events_per_second": each.prediction.calls_per_s,
                "events": each.prediction.events,
                "counted_by": each.prediction.counted_by,
                "overhead": asdict(each.prediction.per_event),
                "core_share": asdict(each.prediction.share),
            },
            "true": _truth(each),
        }
    return row


def _truth(each: Validation) -> dict[str, Any]:
    truth = each.truth
    assert truth is not None
    samples = truth.sampled.samples
    return {
        "overhead": asdict(truth.sampled.overhead),
        "core_share": asdict(each.true_share),
        "hook": truth.hook,
        "calls": truth.hits.calls,
        "hits": truth.hits.hits,
        "foreign_hits": truth.hits.foreign_hits,
        "batches": truth.batches,
        "late_batches": truth.late,
        "stopped_by": truth.sampled.stopped_by,
        "blocks": len(samples.baseline) // samples.windows_per_block,
    }
