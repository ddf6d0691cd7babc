"""The command ``ebpf-overhead``: one module a subcommand, imported when it is called."""

from __future__ import annotations

import importlib
import signal
import sys
from types import FrameType
from typing import Any

import click

from ebpf_overhead import __version__
from ebpf_overhead.errors import ExitStatus, OverheadError

# Name of the subcommand -> (module of this package, line in the help).
_COMMANDS = {
    "measure": "measure what BPF probes cost on the running kernel",
    "cohabit": "measure what several of them on one target cost",
    "scale": "measure what they cost when many CPUs call at once",
    "map-state": "measure what a map operation costs, by the map's fill and sizes",
    "attach-latency": "measure how long load, attach and detach take, and whether calls stall",
    "doctor": "say what this machine is and what can be measured on it",
    "decompose": "say which part of an overhead is the hook, which the program",
    "report": "show the tables of stored results",
    "plot": "draw figures from records that were stored as JSON",
    "history": "show what probes cost on every kernel that was measured",
    "kernels": "fetch, list and remove kernels to measure on",
    "estimate": "say what a probe would cost here, before it is attached",
    "top": "show what the BPF programs loaded on this machine cost",
    "validate": "check predictions of estimate against what the probes then do",
    "profile": "show where the time of a probed call goes, with perf and a flame graph",
    "funclatency": "show how long calls of a function take, and how many there are",
    "guest": "run a command in a guest booted on a kernel",
}


class _LazyGroup(click.Group):
    """A group whose subcommands are imported only when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"ebpf_overhead.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except OverheadError as error:
            click.echo(f"ebpf-overhead: {error}", err=True)
            ctx.exit(int(error.exit_status))
        except KeyboardInterrupt:
            click.echo("ebpf-overhead: interrupted; nothing is left attached", err=True)
            ctx.exit(int(ExitStatus.INTERRUPTED))
        except BrokenPipeError:
            sys.stderr.close()
            ctx.exit(int(ExitStatus.MEASURED))


def _terminate(number: int, frame: FrameType | None) -> None:
    # Leave through every `finally`, as after Ctrl-C.
    raise SystemExit(128 + number)


@click.command(
    cls=_LazyGroup,
    epilog="Exit status: 0 measured, 1 a case failed, 2 bad use, 3 nothing here can be measured,"
    " 130 interrupted.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, package_name="ebpf-overhead")
def main() -> None:
    """Measure what an eBPF probe costs the thing it watches."""
    signal.signal(signal.SIGTERM, _terminate)
