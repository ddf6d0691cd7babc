"""Groups of commands whose modules are imported only when they are used."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from ebpf_overhead.errors import ExitStatus, UnknownNameError


class LazyGroup(click.Group):
    """A group that knows its commands by a table.

    Parameters
    ----------
    table : mapping of str to tuple of str and str
        Name of a command to the module that has it as ``command``, or a function that makes
        it of its name, and to its line in the help.
    moved : mapping of str to str, optional
        Names that commands had, to what is to be typed instead.
    kind : str
        What the commands are, for the error about a name that there is not.
    """

    def __init__(
        self,
        *args: Any,
        table: Mapping[str, tuple[str, str]],
        moved: Mapping[str, str] | None = None,
        kind: str = "command",
        **settings: Any,
    ) -> None:
        super().__init__(*args, **settings)
        self.table = table
        self.moved = moved or {}
        self.kind = kind

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        if cmd_name not in self.table:
            return None
        found = importlib.import_module(self.table[cmd_name][0]).command
        command: click.Command = found if isinstance(found, click.Command) else found(cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the first word names; say which it could be if there is none."""
        name = args[0]
        if name in self.moved:
            ctx.fail(f"{name!r} has a new name: ebpf-overhead {self.moved[name]}")
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            known = [*self.table, *self.moved]
            ctx.fail(str(UnknownNameError(self.kind, name, known)))
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take arguments; without any, show the help, which is bad use."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), err=True)
            ctx.exit(int(ExitStatus.BAD_USE))
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.table.items()])
