"""Where a command listens: ``ADDRESS:PORT``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

_PORT_MAX = 65535

if TYPE_CHECKING:
    _PlaceType = click.ParamType[tuple[str, int]]
else:
    _PlaceType = click.ParamType


class ListenType(_PlaceType):
    """An address and a port: ``127.0.0.1:9436``, ``[::1]:9436``."""

    name = "address:port"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Return both; fail with what is missing."""
        if isinstance(value, tuple):
            return value
        address, colon, port = str(value).rpartition(":")
        if not colon or not address or not port.isdecimal() or int(port) > _PORT_MAX:
            self.fail(f"{value!r} is not ADDRESS:PORT, such as 127.0.0.1:9436", param, ctx)
        return address.removeprefix("[").removesuffix("]"), int(port)
