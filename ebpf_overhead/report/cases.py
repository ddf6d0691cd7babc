"""Measured cases as rows of a record: what the default runner measures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from ebpf_overhead.measure.differences import differences
from ebpf_overhead.measure.noise import Noise
from ebpf_overhead.measure.result import Measurement, Result, Sampling
from ebpf_overhead.measure.undisturbed import Scatter
from ebpf_overhead.report import case_rows as rows
from ebpf_overhead.report.record import Record, Unit, filled, make, outcome, proven

_Row = TypeVar("_Row")


def make_record(
    results: Sequence[Result],
    machine: dict[str, Any],
    sampling: Sampling,
    phases_s: dict[str, float],
    unit: Unit = "ns",
    study: str = "grid",
    noise: Noise | None = None,
) -> Record:
    """Return the record of a run.

    Parameters
    ----------
    results : sequence of Result
        Every case asked for, measured or not.
    machine : dict
        What the machine is.
    sampling : Sampling
        How it was sampled.
    phases_s : dict of str to float
        Seconds spent in each phase.
    unit : str
        ``ns`` or ``instructions``, per call of the workload.
    study : str
        The question that it answers.
    noise : Noise, optional
        What else happened on the machine meanwhile.
    """
    head = rows.OverheadHead(
        study=study,
        machine=machine,
        phases_s=phases_s,
        options=sampling,
        differences=_differences(results, sampling.scatter) or None,
        noise=noise,
    )
    return make(head, (_row(result, unit) for result in results))


def _differences(results: Sequence[Result], scatter: Scatter | None) -> list[rows.CaseDifference]:
    def compared(number: int) -> rows.ComparedCase:
        case = results[number].case
        return rows.ComparedCase(case=number, attach=case.attach.name, program=case.program.name)

    return [
        rows.CaseDifference(
            target=results[each.first].case.workload.name,
            first=compared(each.first),
            second=compared(each.second),
            difference=each.more,
            paired=each.paired,
        )
        for each in differences(results, scatter)
    ]


def _row(result: Result, unit: Unit) -> rows.MeasuredCase | rows.UnmeasuredCase:
    asked = {**outcome(result), **asked_fields(result, unit)}
    measured = result.measurement
    if measured is None:
        return rows.UnmeasuredCase(**asked)
    use = measured.map_use
    return with_overhead(
        rows.MeasuredCase,
        measured,
        **asked,
        lost_updates=use and use.lost_updates,
        map_entries=use and use.entries,
        map_max_entries=use and use.max_entries,
    )


def asked_fields(result: Result, unit: Unit) -> dict[str, Any]:
    """Return the fields that `AskedCase` has besides those of `Asked`."""
    beside, measured = result.case.co_attached, result.measurement
    return {
        "unit": unit,
        "bystander": _bystander(result),
        "beside": rows.BesideRow(programs=beside.attach_types, together=beside.together)
        if beside.cases
        else None,
        "statistics": result.case.statistics or (measured and measured.with_statistics) or None,
        "object": result.case.program.in_object,
        "occupants": list(result.occupants) or None,
        "changed": list(result.changed) or None,
        "verifier_log": result.verifier_log,
    }


def _bystander(result: Result) -> rows.BystanderRow | None:
    caller = result.case.caller
    if caller is None:
        return None
    return filled(
        rows.BystanderRow,
        result.measurement and result.measurement.bystander_hits,
        call=caller.workload.name,
        process="other" if caller.elsewhere else "same",
    )


def with_overhead(kind: type[_Row], measured: Measurement, *more: object, **asked: Any) -> _Row:
    """Return a row with the fields of `Overhead`.

    Parameters
    ----------
    kind : type
        The row's dataclass, a kind of `Overhead`.
    measured : Measurement
        What was measured.
    *more, **asked
        What has the other fields, and those fields; see `filled`.
    """
    samples = measured.samples
    reported, records = measured.run_time_reported, measured.records
    consumer = "other cpu" if measured.consumer_waits else "between windows"
    share = measured.overhead / (measured.unprobed / 100)
    levels = measured.levels
    undisturbed = levels and rows.Undisturbed(
        baseline=levels.baseline.estimate,
        probed=levels.probed.estimate,
        unrest=round(levels.unrest, 4),
    )
    return filled(
        kind,
        measured,
        samples,
        *more,
        **asked,
        **proven(measured.hits),
        undisturbed=undisturbed,
        overhead_percent=filled(rows.Percent, share),
        program_tag=measured.program_tag or None,
        counted_by=None if measured.counted_by == "kernel" else measured.counted_by,
        run_time_reported=None if reported is None else round(reported, 3),
        records_received=records,
        records_consumer=None if records is None else consumer,
        windows=len(samples.probed),
        findings=list(measured.findings) or None,
        maps=list(measured.maps) or None,
        samples=rows.Windows(baseline=list(samples.baseline), probed=list(samples.probed)),
    )
