"""Durations and shares as options of commands take them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

# Older versions of click know no types of parameters' values at run time.
if TYPE_CHECKING:
    _FloatType = click.ParamType[float]
else:
    _FloatType = click.ParamType

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
        match = re.fullmatch(r"([0-9]*\.?[0-9]+)\s*(ms|s|m|h|)", str(value))
        if match is None or float(match[1]) <= 0:
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
