"""Records as OpenMetrics text, for node_exporter's textfile collector and the like.

Everything is a gauge, what the last run found: such a file is valid as OpenMetrics and as
the older Prometheus text format, which names counters otherwise.  Names follow the
conventions of both: base units (seconds, ratios) at the end, one meaning a name.  Samples
have no timestamps, which the textfile collector refuses.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

PREFIX = "ebpf_overhead_"
_UNITS = ("seconds", "ratio", "instructions")

Labels = Mapping[str, str]


@dataclass
class Metric:
    """A gauge with its samples.

    Attributes
    ----------
    name : str
        Without the common prefix; ends with its unit, where it has one.
    text : str
        What it is, in a sentence.
    samples : list of tuple of dict and float
        Labels and value.
    """

    name: str
    text: str
    samples: list[tuple[Labels, float]] = field(default_factory=list)

    def lines(self) -> Iterable[str]:
        """Yield the lines of its exposition."""
        name = PREFIX + self.name
        yield f"# TYPE {name} gauge"
        unit = next((unit for unit in _UNITS if name.endswith(f"_{unit}")), None)
        if unit is not None:
            yield f"# UNIT {name} {unit}"
        yield f"# HELP {name} {_escaped(self.text)}"
        for labels, value in self.samples:
            inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
            yield f"{name}{{{inside}}} {float(value)!r}"


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
        if value is not None:
            metric = self._metrics.setdefault(name, Metric(name, text))
            metric.samples.append(({**self._common, **labels}, value))

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

    def text(self) -> str:
        """Return the whole exposition."""
        lines = [line for metric in self._metrics.values() for line in metric.lines()]
        return "\n".join([*lines, "# EOF"]) + "\n"


def _split_unit(name: str) -> tuple[str, str]:
    match = re.fullmatch(rf"(.+?)(_(?:{'|'.join(_UNITS)})|)", name)
    assert match is not None
    return match[1], match[2]


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def add_time(metrics: Metrics) -> None:
    """Add when this was found out, so that an alert can tell an old file."""
    metrics.add(
        "last_run_timestamp_seconds", "When this was measured, seconds since 1970.", time.time()
    )


def write_atomically(path: Path, text: str) -> None:
    """Put a text in a file's place at once: whoever reads sees the old one or the new one.

    Raises
    ------
    OSError
        The directory cannot be written to.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise
