"""Folders of results as asv stores them, brought together file by file.

Works on the files alone, so that it serves where asv is not installed.  asv keeps one file per
machine, commit and environment, with a row per benchmark.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ebpf_overhead.closing import write_atomically
from ebpf_overhead.reading import convert, read_json

_MACHINE = "machine.json"
_BENCHMARKS = "benchmarks.json"
# What this project's plugin adds to a file: why a benchmark has no value.  asv ignores it.
REASONS = "reasons"
# Of asv's description of a machine: what a guest that counts instructions does not depend on.
_HOST_FACTS = {"os", "cpu", "num_cpu", "ram"}


def merge(
    source: Path, target: Path, wanted: Callable[[Mapping[str, Any]], bool] = lambda stored: True
) -> list[Path]:
    """Bring the results of one folder into another; of two values the newer one stays.

    A benchmark that failed as a whole has no value.

    Parameters
    ----------
    source, target : Path
        Folders of results; the source need not exist.
    wanted : callable, optional
        Whether to bring a file's results; all by default.

    Returns
    -------
    list of Path
        The files of the target that changed.

    Raises
    ------
    FailedError
        A file is damaged.
    """
    changed = []
    for path in sorted(source.glob("*/*.json")):
        if path.name == _MACHINE or not wanted(new := _without_host(read(path))):
            continue
        place = target / path.relative_to(source)
        old = read(place) if place.exists() else None
        merged = new if old is None else _merged(old, new)
        if merged is not None:
            _copy(path.with_name(_MACHINE), place.with_name(_MACHINE))
            write_atomically(place, json.dumps(merged))
            changed.append(place)
    if (source / _BENCHMARKS).exists():
        _copy(source / _BENCHMARKS, target / _BENCHMARKS, replace_older=True)
    return changed


def read(path: Path) -> dict[str, Any]:
    """Return a stored file's content.

    Raises
    ------
    FailedError
        It is no file of asv's results.
    """
    remedy = "delete the file"
    stored = read_json(path, dict[str, Any], remedy=remedy, allow_nan=True)
    shape = convert(stored, _ResultFile, str(path), remedy=remedy)
    return {**stored, "env_vars": shape.env_vars, REASONS: shape.reasons}


@dataclass(frozen=True)
class _ResultFile:
    """What this project relies on in a file of asv's results."""

    commit_hash: str
    result_columns: list[str]
    results: dict[str, list[Any]]
    env_vars: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, dict[str, str]] = field(default_factory=dict)


def parameters_key(parameters: Iterable[str]) -> str:
    """Return the key of a combination of parameters, which asv stores as their ``repr``."""
    return ", ".join(parameters)


def has_values(stored: Mapping[str, Any]) -> bool:
    """Whether any benchmark of a stored file has a value: asv stores null for what failed."""
    rows = stored["results"].values()
    return any(_columns(stored, row).get("result") is not None for row in rows)


def without_value(stored: Mapping[str, Any], name: str) -> set[str]:
    """Return the combinations of parameters for which a benchmark has no value, as keys."""
    row = _columns(stored, stored["results"][name])
    keys = [parameters_key(each) for each in itertools.product(*row.get("params") or [])]
    values = row.get("result") or [None] * len(keys)
    return {
        key for key, value in zip(keys, values, strict=False) if value is None or value != value
    }


def of_no_host(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what asv knows of a machine without what does not matter where a guest counts."""
    return {name: value for name, value in facts.items() if name not in _HOST_FACTS}


def is_counted(stored: Mapping[str, Any]) -> bool:
    """Whether a stored file is of a guest that counts instructions."""
    return bool(stored["env_vars"].get("CLOCK") == "icount")


def _without_host(stored: dict[str, Any]) -> dict[str, Any]:
    """Return a stored file as it is on every host: instructions do not depend on it."""
    if not is_counted(stored):
        return stored
    return {**stored, "params": of_no_host(stored.get("params", {}))}


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any] | None:
    """Return the old file with what is newer in the new one; None where nothing is."""
    ranks = {name: _rank(old, row) for name, row in old["results"].items()}
    newer = [
        name
        for name, row in new["results"].items()
        if name not in ranks or _rank(new, row) > ranks[name]
    ]
    kept = _without_host(old)
    if not newer:
        return None if kept == old else kept
    rows = {
        name: [_columns(new, new["results"][name]).get(each) for each in old["result_columns"]]
        for name in newer
    }
    reasons = {k: v for k, v in old[REASONS].items() if k not in newer}
    reasons |= {k: v for k, v in new[REASONS].items() if k in newer}
    return {**kept, "results": {**old["results"], **rows}, REASONS: reasons}


def _rank(stored: Mapping[str, Any], row: list[Any]) -> tuple[bool, float]:
    """Return what sorts rows: a run that failed hides no value, and else the later one counts."""
    values = _columns(stored, row)
    return values.get("result") is not None, float(values.get("started_at") or 0)


def _columns(stored: Mapping[str, Any], row: list[Any]) -> dict[str, Any]:
    return dict(zip(stored["result_columns"], row, strict=False))


def _copy(path: Path, place: Path, replace_older: bool = False) -> None:
    if place.exists() and not (replace_older and path.stat().st_mtime > place.stat().st_mtime):
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(place, path.read_text(encoding="utf-8"))
