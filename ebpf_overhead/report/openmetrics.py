"""Records as OpenMetrics text, for node_exporter's textfile collector and the like.

Everything is a gauge: what the last run found.  Such a file is valid as OpenMetrics and as
the older Prometheus text format, which names counters differently.  Names follow the
conventions of both: base units (seconds, ratios) at the end, one meaning per name.  Samples
have no timestamps, which the textfile collector refuses.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import Metric

PREFIX = "ebpf_overhead_"
_UNITS = ("seconds", "ratio", "instructions")

Labels = Mapping[str, str]


class Metrics:
    """Gauges by name, in the order in which they were first used.

    Parameters
    ----------
    common : dict of str to str
        Labels that every sample has.
    """

    def __init__(self, common: Labels) -> None:
        self._common = common
        self._metrics: dict[str, Metric] = {}

    def add(self, name: str, text: str, value: float | None, **labels: str) -> None:
        """Add a sample; None is none."""
        from prometheus_client import Metric  # Not at the top: it takes 80 ms, and few ask.

        if value is not None:
            full = PREFIX + name
            unit = _split_unit(name)[1].removeprefix("_")
            metric = self._metrics.setdefault(name, Metric(full, text, "gauge", unit))
            metric.add_sample(full, {**self._common, **labels}, float(value))

    def add_interval(
        self,
        name: str,
        text: str,
        value: Mapping[str, float] | None,
        factor: float = 1.0,
        **labels: str,
    ) -> None:
        """Add an estimate and the bounds of its interval, whose names have low and high in them.

        ``factor`` makes base units of the values.
        """
        if value is None:
            return
        stem, unit = _split_unit(name)
        self.add(name, text, value["estimate"] * factor, **labels)
        for bound, which in (("low", "Lower"), ("high", "Upper")):
            described = f"{which} bound of the interval of {PREFIX}{name}."
            self.add(f"{stem}_{bound}{unit}", described, value[bound] * factor, **labels)

    def collect(self) -> Iterable[Metric]:
        """Return the gauges, as a collector of prometheus_client does."""
        return self._metrics.values()

    def text(self) -> str:
        """Return the whole exposition."""
        from prometheus_client.openmetrics.exposition import generate_latest

        text: str = generate_latest(self).decode()  # type: ignore[no-untyped-call]
        return text


def _split_unit(name: str) -> tuple[str, str]:
    match = re.fullmatch(rf"(.+?)(_(?:{'|'.join(_UNITS)})|)", name)
    assert match is not None
    return match[1], match[2]


def add_time(metrics: Metrics, command: str) -> None:
    """Add when a command found this out, so that an alert can tell an old file."""
    text = "When this was measured, seconds since 1970."
    metrics.add("last_run_timestamp_seconds", text, time.time(), command=command)
