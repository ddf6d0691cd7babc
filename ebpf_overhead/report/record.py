"""The record of one run: the same JSON everywhere, described in ``record.schema.json``."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from importlib.resources import files
from typing import Any

from ebpf_overhead import __version__
from ebpf_overhead.measure import Measurement, Options, Result
from ebpf_overhead.outcome import Outcome
from ebpf_overhead.stats import Interval

SCHEMA_VERSION = 1

Record = dict[str, Any]


def make_record(
    results: Iterable[Result],
    machine: dict[str, Any],
    options: Options,
    phases_s: dict[str, float],
    unit: str = "ns",
) -> Record:
    """Return the record of a run.

    Parameters
    ----------
    results : iterable of Result
        Every case asked for, measured or not.
    machine : dict
        What the machine is.
    options : Options
        How it was measured.
    phases_s : dict of str to float
        Seconds spent in each phase.
    unit : str
        ``ns`` or ``instructions``, per call of the target.

    Returns
    -------
    dict
        Ready for JSON, valid by :func:`schema`.
    """
    return {
        "schema": SCHEMA_VERSION,
        "version": __version__,
        "machine": machine,
        "options": dataclasses.asdict(options),
        "phases_s": {name: round(seconds, 3) for name, seconds in phases_s.items()},
        "cases": [_case(result, unit) for result in results],
    }


def schema(kind: str = "record") -> dict[str, Any]:
    """Return the JSON schema of a record: of ``measure``, or of another kind that it names."""
    text = (files("ebpf_overhead") / f"{kind}.schema.json").read_text()
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def outcome(result: Outcome) -> dict[str, Any]:
    """Return the part of a case's row that says what it was and what became of it."""
    return {
        "target": result.case.target.name,
        "attach": result.case.attach.name,
        "program": result.case.program.name,
        "status": result.status,
        "reason": result.reason,
        "remedy": result.remedy,
    }


def why_not(row: dict[str, Any]) -> str:
    """Return for people why a case has no numbers: ``refused: EPERM; run as root``."""
    remedy = f"; {row['remedy']}" if row["remedy"] else ""
    return f"{row['status']}: {row['reason']}{remedy}"


def _case(result: Result, unit: str) -> dict[str, Any]:
    row = {**outcome(result), "unit": unit}
    if result.verifier_log is not None:
        row["verifier_log"] = result.verifier_log
    if result.bystander is not None:
        bystander = result.bystander
        row["bystander"] = {"call": bystander.target.name, "process": bystander.process}
    if result.beside.cases:
        together = result.beside.together
        row["beside"] = {"programs": result.beside.attach_types, "together": together}
    if result.occupants:
        row["occupants"] = [dataclasses.asdict(each) for each in result.occupants]
    if result.measurement is not None:
        row.update(_measurement(result.measurement))
        if (hits := result.measurement.bystander_hits) is not None:
            row["bystander"].update(
                calls=hits.calls, hits=hits.hits, runs_per_call=hits.runs_per_call
            )
    return row


def _measurement(measured: Measurement) -> dict[str, Any]:
    baseline, samples = measured.baseline, measured.samples
    use = measured.map_use
    only_here: dict[str, Any] = {}
    if measured.records is not None:
        where = "other cpu" if measured.consumer_waits else "between windows"
        only_here = {"records_received": measured.records, "records_consumer": where}
    if measured.run_time_reported is not None:
        only_here["run_time_reported"] = round(measured.run_time_reported, 3)
    if measured.repeated:
        only_here["repeated"] = True
    if measured.residue is not None:
        only_here["residue"] = _interval(measured.residue)
    return {
        **only_here,
        "hook": measured.hook,
        "baseline": dataclasses.asdict(baseline),
        "probed": dataclasses.asdict(measured.probed),
        "overhead": _interval(measured.overhead),
        "overhead_percent": _percent(measured.overhead, baseline.median),
        "calls": measured.hits.calls,
        "hits": measured.hits.hits,
        "hits_slack": measured.hits.slack,
        "runs_per_call": measured.hits.runs_per_call,
        "foreign_hits": measured.hits.foreign_hits,
        "missed": measured.missed,
        "loadings": measured.loadings,
        "lost_updates": use.lost_updates if use else None,
        "map_entries": use.entries if use else None,
        "map_max_entries": use.max_entries if use else None,
        "windows": len(samples.probed),
        "windows_per_block": samples.windows_per_block,
        "calls_per_window": samples.calls_per_window,
        "stopped_by": measured.stopped_by,
        "samples": {"baseline": list(samples.baseline), "probed": list(samples.probed)},
    }


def _interval(value: Interval) -> dict[str, float]:
    return dataclasses.asdict(value)


def _percent(overhead: Interval, baseline: float) -> dict[str, float]:
    return {name: 100 * getattr(overhead, name) / baseline for name in ("estimate", "low", "high")}
