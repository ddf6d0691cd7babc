"""Why a benchmark has no value, stored with the results.

asv stores n/a and failures as missing numbers and drops what the benchmark said.  The plugin
adds that to the file of the results, as ``reasons``: benchmark -> parameters -> the outcome and
why, ``unsupported: kprobe events absent``.  asv reads past the key.
"""

from __future__ import annotations

import ast
import itertools
import json
import re
from pathlib import Path
from typing import Any

from asv.results import Results
from asv.util import is_na

from ebpf_overhead.asv.merging import REASONS, parameters_key, read, without_value
from ebpf_overhead.closing import write_atomically

_add_result = Results.add_result
_save = Results.save

_COMBINATION = re.compile(r"^For parameters: (.*)$", re.MULTILINE)
_SKIPPED = re.compile(r"^asv: skipped: \w+\((.*)\) *$", re.MULTILINE)
_STATUSES = ("unsupported: ", "refused: ", "failed: ")
_LONGEST = 1000


def install() -> None:
    """Have asv's results keep reasons."""
    Results.add_result = _add_with_reasons
    Results.save = _save_with_reasons


def _add_with_reasons(
    results: Results, benchmark: Any, result: Any, *args: Any, **opts: Any
) -> None:
    _add_result(results, benchmark, result, *args, **opts)
    said = _by_combination(result.stderr or "")
    reasons = {}
    for params, value in zip(
        itertools.product(*benchmark["params"] or []), result.result, strict=True
    ):
        key = parameters_key(params)
        # What went wrong for all of them is said once: asv did not get to the parameters.
        text = said.get(key, said.get("", ""))
        if value is None:
            reasons[key] = _reason(text or "the benchmark said nothing", "failed")
        elif is_na(value) and text:
            reasons[key] = _reason(text, "unsupported")
    results.__dict__.setdefault("_reasons", {})[benchmark["name"]] = reasons


def _save_with_reasons(results: Results, result_dir: str) -> None:
    path = Path(result_dir) / results._filename
    before = read(path)[REASONS] if path.exists() else {}
    _save(results, result_dir)
    stored = read(path)
    now = getattr(results, "_reasons", {})
    reasons = {}
    for name in stored["results"]:
        # A run of some combinations says nothing about the others.
        said = {**before.get(name, {}), **now.get(name, {})}
        reasons[name] = {key: said[key] for key in without_value(stored, name) & said.keys()}
    reasons = {name: said for name, said in reasons.items() if said}
    if reasons:
        write_atomically(path, json.dumps({**stored, REASONS: reasons}))


def _by_combination(text: str) -> dict[str, str]:
    """Return what was said, by the combination of parameters; what comes before them by ``""``."""
    first, *rest = _COMBINATION.split(text)
    said = dict(zip(rest[::2], rest[1::2], strict=True))
    return {"": first.strip(), **said}


def _reason(text: str, status: str) -> str:
    """Return outcome and reason in a line: what was skipped says its outcome itself."""
    skipped = _SKIPPED.findall(text)
    if skipped:
        try:
            reason = str(ast.literal_eval(skipped[-1]))
        except (ValueError, SyntaxError):
            reason = skipped[-1]
    else:
        reason = re.sub(r"^[\w.]+(Error|Exception): ", "", _last_words(text))
    reason = " ".join(reason.split())[:_LONGEST]
    return reason if reason.startswith(_STATUSES) else f"{status}: {reason}"


def _last_words(text: str) -> str:
    """Return the exception of the last traceback, or the last line where there is none."""
    *_, end = text.rpartition("Traceback (most recent call last):\n")
    lines = [line for line in end.splitlines() if line.strip()]
    raised = [line for line in lines if not line[0].isspace()] if end != text else []
    return (raised or lines[-1:] or [""])[0].strip()
