"""Which benchmarks ``asv publish`` shows: those that have results.

asv lists all there are.  Most of them are run by themselves, if ever, and on a kernel that counts
instructions those of time are n/a: the site would begin with pages of empty cards.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from asv.benchmarks import Benchmarks
from asv.commands import publish
from asv.results import iter_results


def install() -> None:
    """Have asv publish leave out what has no results."""
    publish.Benchmarks = _WithResults


class _WithResults(Benchmarks):
    @classmethod
    def load(cls, conf: Any, regex: Any = None) -> Benchmarks:
        found = super().load(conf, regex=regex)
        shown = {
            name
            for results in iter_results(conf.results_dir)
            for name in results.get_result_keys(found)
            if _has_result(results.get_result_value(name, found[name]["params"]))
        }
        for name in found.keys() - shown if shown else ():
            del found[name]
        return found


def _has_result(values: Iterable[float | None]) -> bool:
    # n/a is NaN.  None is a failure, which is to be seen.
    return any(value is None or not math.isnan(value) for value in values)
