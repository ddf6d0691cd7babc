"""``ebpf-overhead guest``: commands in a guest booted on a kernel."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from ebpf_overhead.guest.vm import Guest
from ebpf_overhead.kernels import catalogue

_EXAMPLES = """
\b
Examples:
  ebpf-overhead guest run 6.12 -- uname -a
  ebpf-overhead guest run 5.10 -- sh -c 'cat /proc/cmdline; ls /sys/kernel/btf'
"""


@click.group(name="guest")
def command() -> None:
    """Run commands in a guest booted on a kernel: see the kernel from inside."""


@command.command(name="run", epilog=_EXAMPLES, context_settings={"ignore_unknown_options": True})
@click.argument("kernel")
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
@click.option("--timeout", type=click.FloatRange(1), help="Seconds after which it is killed.")
def run(kernel: str, argv: tuple[str, ...], timeout: float | None) -> None:
    """Run a command in a guest and exit with its status.

    The guest sees the host's files read-only and starts in the same directory.  KERNEL is a
    release or a series that `ebpf-overhead kernels list` shows.
    """

    def forward(stream: str, data: bytes) -> None:
        os.write(1 if stream == "stdout" else 2, data)

    with Guest(catalogue.find(kernel), log=lambda line: click.echo(line, err=True)) as guest:
        done = guest.run(argv, cwd=Path.cwd(), timeout=timeout, on_output=forward)
    # A signal's number is negative; shells say 128 + number.
    sys.exit(done.exit_status if done.exit_status >= 0 else 128 - done.exit_status)
