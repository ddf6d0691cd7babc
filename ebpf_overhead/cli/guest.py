"""``ebpf-overhead guest``: a command, or a shell, in a guest booted on a kernel."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ebpf_overhead.cli.durations import DurationType
from ebpf_overhead.cli.guest_options import boot, guest_variant, to_be_booted, variant
from ebpf_overhead.cli.names import KERNEL, NameType
from ebpf_overhead.cli.options import add_options
from ebpf_overhead.cli.progress import say
from ebpf_overhead.guest.client import shell_status, write_through
from ebpf_overhead.guest.initrd import OWN_DIRECTORIES
from ebpf_overhead.guest.terminal import interact
from ebpf_overhead.guest.view import is_private
from ebpf_overhead.guest.vm import Guest
from ebpf_overhead.kernels import catalogue

_Function = TypeVar("_Function", bound=Callable[..., None])

_RUN_EXAMPLES = """
\b
Examples:
  ebpf-overhead guest run 6.12 -- uname -a
  ebpf-overhead guest run 5.10 -- sh -c 'cat /proc/cmdline; ls /sys/kernel/btf'
  ebpf-overhead guest run --share out 6.12 -- sh -c 'dmesg > out/dmesg.txt'
  ebpf-overhead guest run --show /srv/tools 6.12 -- /srv/tools/check
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
        type=NameType("clock", ["icount", "wall", "auto"]),
        default="icount",
        show_default=True,
        help="What time means there: instructions, or the host's time (with KVM only).",
    ),
    click.option(
        "--accel",
        type=NameType("accelerator", ["auto", "tcg", "kvm"]),
        default="auto",
        show_default=True,
        help="What executes the guest.",
    ),
    click.option(
        "--show",
        "named",
        type=click.Path(exists=True, path_type=Path),
        multiple=True,
        help="A directory or file the guest may read, at the same path; may be repeated.",
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
    boot,
    variant,
)


def _guest_options(function: _Function) -> _Function:
    return add_options(function, _OPTIONS)


@click.group(name="guest")
def command() -> None:
    """Run commands in a guest booted on a kernel: see the kernel from inside.

    The guest sees few of the host's files, and may only read them: programs and libraries,
    the current directory, this project with its interpreter, and what --show names.  It may
    write to the directory of --share.  All else is its own, and gone with it.
    """


@command.command(name="run", epilog=_RUN_EXAMPLES)
@_guest_options
@click.option("--timeout", type=DurationType(), help="Kill it after this time: 90s, 10m.")
@click.option("--verbose", is_flag=True, help="Say what the guest is and how long it booted.")
@click.argument("kernel", type=KERNEL)
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
def run(
    kernel: str, argv: tuple[str, ...], timeout: float | None, verbose: bool, **options: Any
) -> None:
    """Run a command in a guest and exit with its status.

    It starts in the current directory, with an empty standard input.  KERNEL is a release or a
    series that `ebpf-overhead kernels list` shows.
    """
    with _guest(kernel, options) as guest:
        if verbose:
            facts = ", ".join(f"{name} {value}" for name, value in guest.description.items())
            say(f"{guest.kernel.release} up after {guest.boot_seconds:.1f} s: {facts}")
        say(_description(guest))
        done = guest.run(argv, cwd=_directory(), timeout=timeout, on_output=write_through)
    sys.exit(shell_status(done.exit_status))


@command.command(name="shell", epilog=_SHELL_EXAMPLES)
@_guest_options
@click.option("--shell", default="/bin/bash", show_default=True, help="The shell to open.")
@click.argument("kernel", type=KERNEL)
def shell(kernel: str, shell: str, **options: Any) -> None:
    """Open a shell in a guest; the guest ends with it.

    KERNEL is a release or a series that `ebpf-overhead kernels list` shows.
    """
    with _guest(kernel, options) as guest, guest.session() as session:
        say(_description(guest))
        say(f"kernel {guest.kernel.release}; leave with exit")
        status = interact(session, [shell], _directory())
    sys.exit(shell_status(status))


def _guest(kernel: str, options: dict[str, Any]) -> Guest:
    named = options.pop("named")
    here = _here()
    shown = [*named, *([] if here is None or is_private(here) else [here])]
    restore = not to_be_booted()
    how = {"restore": restore, "variant": guest_variant(), **options}
    return Guest(catalogue.find(kernel), log=say, shown=shown, **how)


def _description(guest: Guest) -> str:
    shown = ", ".join(guest.view.directories)
    return f"the guest may read {shown}; it may write {guest.share}"


def _directory() -> str:
    """Return where a command starts: in the current directory, if the guest has it."""
    here = _here()
    if here is not None and (not is_private(here) or str(here) in OWN_DIRECTORIES):
        return str(here)
    say(f"the command starts in /: {here} is not shown unless --show names it")
    return "/"


def _here() -> Path | None:
    try:
        return Path.cwd()
    except FileNotFoundError:  # It has been removed.
        return None
