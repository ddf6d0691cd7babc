"""``ebpf-overhead guest``: a command, or a shell, in a guest booted on a kernel."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ebpf_overhead.guest.client import shell_status, write_through
from ebpf_overhead.guest.terminal import interact
from ebpf_overhead.guest.vm import Guest
from ebpf_overhead.kernels import catalogue

_Function = TypeVar("_Function", bound=Callable[..., None])

_RUN_EXAMPLES = """
\b
Examples:
  ebpf-overhead guest run 6.12 -- uname -a
  ebpf-overhead guest run 5.10 -- sh -c 'cat /proc/cmdline; ls /sys/kernel/btf'
  ebpf-overhead guest run --share out 6.12 -- sh -c 'dmesg > out/dmesg.txt'
"""

_SHELL_EXAMPLES = """
\b
Examples:
  ebpf-overhead guest shell 6.12
  ebpf-overhead guest shell --share out 6.12
"""

_OPTIONS = (
    click.option(
        "--clock",
        type=click.Choice(["icount", "wall", "auto"]),
        default="icount",
        show_default=True,
        help="What time means there: instructions, or the host's time (with KVM only).",
    ),
    click.option(
        "--accel",
        type=click.Choice(["auto", "tcg", "kvm"]),
        default="auto",
        show_default=True,
        help="What executes the guest.",
    ),
    click.option(
        "--share",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="A directory the guest may write to, at the same path.",
    ),
    click.option(
        "--memory",
        "memory_mib",
        type=click.IntRange(256),
        default=1024,
        show_default=True,
        help="The guest's memory in MiB.",
    ),
)


def _guest_options(function: _Function) -> _Function:
    # Decorators apply from the inside out, the help shows them from the outside in.
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@click.group(name="guest")
def command() -> None:
    """Run commands in a guest booted on a kernel: see the kernel from inside.

    The guest sees the host's files, read-only; /tmp, /var/tmp, /run and /root are its own,
    and what it writes there is gone with it.
    """


@command.command(name="run", epilog=_RUN_EXAMPLES)
@_guest_options
@click.option("--timeout", type=click.FloatRange(1), help="Seconds after which it is killed.")
@click.option("--verbose", is_flag=True, help="Say what the guest is and how long it booted.")
@click.argument("kernel")
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
def run(
    kernel: str, argv: tuple[str, ...], timeout: float | None, verbose: bool, **options: Any
) -> None:
    """Run a command in a guest and exit with its status.

    It starts in the same directory, with an empty standard input.  KERNEL is a release or a
    series that `ebpf-overhead kernels list` shows.
    """
    with Guest(catalogue.find(kernel), log=_say, **options) as guest:
        if verbose:
            facts = ", ".join(f"{name} {value}" for name, value in guest.description.items())
            _say(f"{guest.kernel.release} up after {guest.boot_seconds:.1f} s: {facts}")
        done = guest.run(argv, cwd=Path.cwd(), timeout=timeout, on_output=write_through)
    sys.exit(shell_status(done.exit_status))


@command.command(name="shell", epilog=_SHELL_EXAMPLES)
@_guest_options
@click.option("--shell", default="/bin/bash", show_default=True, help="The shell to open.")
@click.argument("kernel")
def shell(kernel: str, shell: str, **options: Any) -> None:
    """Open a shell in a guest; the guest ends with it.

    KERNEL is a release or a series that `ebpf-overhead kernels list` shows.
    """
    with Guest(catalogue.find(kernel), log=_say, **options) as guest, guest.session() as session:
        _say(f"kernel {guest.kernel.release}; writable: {guest.share}; leave with exit")
        status = interact(session, [shell], str(Path.cwd()))
    sys.exit(shell_status(status))


def _say(line: str) -> None:
    click.echo(line, err=True)
