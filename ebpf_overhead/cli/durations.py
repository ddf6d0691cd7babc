"""Durations, shares, rates and precisions as options of commands take them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

# Older versions of click know no types of parameters' values at run time.
if TYPE_CHECKING:
    from ebpf_overhead.measure.sampling import Precision

    _FloatType = click.ParamType[float]
    _PrecisionType = click.ParamType[Precision]
else:
    _FloatType = _PrecisionType = click.ParamType

# Nobody watches longer than a year; more is a mistake, and too much for a timer.
_MAX_S, _LONGEST = 366 * 86400.0, 100
_THOUSANDS = {"": 1.0, "k": 1e3, "M": 1e6}
_SECONDS = {"ms": 1e-3, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}


class DurationType(_FloatType):
    """``10s``, ``500ms``, ``2m``, ``1h`` or a number of seconds -> seconds."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the seconds."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"([0-9]*\.?[0-9]+)\s*(ms|s|m|h|)", str(value)[:_LONGEST])
        if match is None or not 0 < float(match[1]) * _SECONDS[match[2]] <= _MAX_S:
            self.fail(f"{value!r} is not like 10s, 500ms or 2m", param, ctx)
        return float(match[1]) * _SECONDS[match[2]]


class ShareType(_FloatType):
    """``1%`` or ``0.5%`` -> a share, 0..1."""

    name = "share"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the share."""
        match = re.fullmatch(r"([0-9]*\.?[0-9]+)\s*%", str(value))
        if match is None or float(match[1]) <= 0:
            self.fail(f"{value!r} is not like 1% or 0.5%", param, ctx)
        return float(match[1]) / 100


class RateType(_FloatType):
    """``20000/s``, ``20k/s``, ``1.5M/s`` or ``30/m`` -> events per second."""

    name = "rate"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the events per second."""
        match = re.fullmatch(r"([0-9]*\.?[0-9]+)([kM]?)(?:/(s|m))?", str(value)[:_LONGEST])
        if match is None or float(match[1]) <= 0:
            self.fail(f"{value!r} is not like 20000/s or 20k/s", param, ctx)
        return float(match[1]) * _THOUSANDS[match[2]] / _SECONDS[match[3] or "s"]


class PrecisionType(_PrecisionType):
    """``1%`` of the overhead, ``0.5ns``, or both with a comma: the larger one counts."""

    name = "precision"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Precision:
        """Return what the words mean."""
        # Here: most commands have no such option, and NumPy comes with it.
        from ebpf_overhead.measure.sampling import Precision

        relative = absolute = 0.0
        for part in str(value).split(","):
            match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*(%|ns)\s*", part)
            if match is None or float(match[1]) <= 0:
                self.fail(f"{value!r} is not like 1%, 0.5ns or 1%,1ns", param, ctx)
            if match[2] == "%":
                relative = float(match[1]) / 100
            else:
                absolute = float(match[1])
        return Precision(relative, absolute)
