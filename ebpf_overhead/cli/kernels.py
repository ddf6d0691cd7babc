"""``ebpf-overhead kernels``: the kernels that measurements can run on."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from ebpf_overhead.cli import options
from ebpf_overhead.cli.archive import apt_of, archive_options
from ebpf_overhead.cli.kernels_keep import keep
from ebpf_overhead.cli.kernels_measure import measure
from ebpf_overhead.cli.kernels_view import TerminalReporter, print_installed, print_offered
from ebpf_overhead.cli.names import KERNEL
from ebpf_overhead.cli.output import Output
from ebpf_overhead.errors import ExitStatus
from ebpf_overhead.kernels import debian, offers, upkeep
from ebpf_overhead.kernels.adding import Adder, Choices
from ebpf_overhead.kernels.catalogue import Kernel, damaged, find, installed
from ebpf_overhead.kernels.history import History
from ebpf_overhead.kernels.layout import HISTORY_VARIABLE, Layout, default_layout
from ebpf_overhead.kernels.versions import is_of
from ebpf_overhead.printable import printable
from ebpf_overhead.report.console import console_on, print_line

_PATH = click.Path(exists=True, path_type=Path)


_WHAT = """\b
WHAT:
  6.12                    the newest Debian kernel of a series
  6.12.107+deb13-amd64    a Debian kernel by its release
  6.12-arm64              one of another architecture, with the programs for its guests
  stable                  the newest kernel of Debian's stable release
  newest                  the newest kernel that the mirror offers
  ./linux-image-….deb     a package; all of them where a kernel is split
  ./vmlinuz               an image, with --modules lib/modules/RELEASE
  ./linux                 a built kernel tree
  running                 the running kernel, measured natively

"""


def _example(arguments: str) -> str:
    return f"\b\nExample:\n  ebpf-overhead kernels {arguments}"


@click.group(name="kernels", epilog=_example("add 6.1 6.12 7.3"))
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Data directory.  [default: $EBPF_OVERHEAD_DATA or ~/.local/share/ebpf-overhead]",
)
@click.option(
    "--history",
    type=click.Path(path_type=Path),
    help=f"History repository.  [default: ${HISTORY_VARIABLE} or history in the data directory]",
)
@click.pass_context
def command(context: click.Context, data: Path | None, history: Path | None) -> None:
    """Find, fetch and catalogue kernels, and keep their history for asv."""
    context.obj = default_layout(data, history)


@command.command(name="list", epilog=_example("list --json"))
@options.result()
@click.pass_obj
def list_command(layout: Layout, /, output: Output) -> None:
    """List the installed kernels, oldest first."""
    _tell_damaged(layout)
    output.show(
        installed(layout),
        lambda kernels, console: print_installed(kernels, layout, console),
        {"json": lambda kernels: _all_as_json(kernels, layout)},
    )


@command.command(epilog=_example("available --all 6.12"))
@click.argument("series", nargs=-1)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="List every release, not only the newest of each series.",
)
@archive_options
@options.result()
@click.pass_obj
def available(
    layout: Layout,
    /,
    series: tuple[str, ...],
    everything: bool,
    refresh: bool,
    flavour: str,
    output: Output,
    **where: Any,
) -> None:
    """List the kernels that the Debian mirror offers."""
    with TerminalReporter() as reporter, layout.locked(reporter):
        apt = apt_of(layout, **where)
        offered = debian.kernels(
            offers.read_offers(apt, refresh, reporter), apt.archive.arch, flavour
        )
    if series:
        offered = [k for k in offered if any(is_of(k.version, wanted) for wanted in series)]
    if not everything:
        # The newest of each series, a complete one if there is one.
        newest = {k.series: k for k in sorted(offered, key=lambda kernel: not kernel.delisted)}
        offered = [kernel for kernel in offered if newest[kernel.series] is kernel]
    present = {kernel.release for kernel in installed(layout)}
    output.show(
        offered,
        lambda kernels, console: print_offered(kernels, present, console),
        {"json": lambda kernels: _json([debian.as_json(kernel) for kernel in kernels])},
    )


@command.command(epilog=_WHAT + _example("add 6.1 6.12 7.3"))
@click.argument("what", nargs=-1, required=True)
@click.option("--modules", type=_PATH, help="Modules of an image given as a file.")
@click.option("--config", type=_PATH, help="Configuration of an image given as a file.")
@click.option(
    "--all-modules", is_flag=True, help="Also keep drivers of hardware that no guest has."
)
@click.option(
    "--delisted",
    is_flag=True,
    help="Accept kernels whose modules are no longer in the signed lists.  Each module is checked "
    "with the key in the listed image.",
)
@click.option("--replace", is_flag=True, help="Replace a different kernel of the same release.")
@click.option("--quiet", is_flag=True, help="Print only the releases that were added.")
@archive_options
@click.pass_obj
def add(
    layout: Layout,
    /,
    what: tuple[str, ...],
    quiet: bool,
    **given: Any,
) -> None:
    """Add kernels; WHAT is described below."""
    chosen = {field.name: given.pop(field.name) for field in fields(Choices)}
    with TerminalReporter() as reporter:
        added = Adder(layout, lambda: apt_of(layout, **given), Choices(**chosen), reporter).add(
            what
        )
    if quiet:
        click.echo("\n".join(added))
    else:
        print_installed(installed(layout), layout, console_on(sys.stdout))


command.add_command(measure)
command.add_command(keep)


@command.command(epilog=_example("remove 6.12.107+deb13-amd64"))
@click.argument("what", nargs=-1, required=True, type=KERNEL)
@click.option("--keep-packages", is_flag=True, help="Keep the downloaded packages.")
@click.pass_obj
def remove(layout: Layout, what: tuple[str, ...], keep_packages: bool) -> None:
    """Remove kernels, their packages and their commits; results are kept."""
    with TerminalReporter() as reporter:
        removed = upkeep.remove(layout, what, keep_packages, reporter)
    for name in removed:
        click.echo(
            f"removed {printable(name)}; its results are kept and are used again when the "
            "same kernel is added again"
        )


@command.command(epilog=_example("verify 6.12"))
@click.argument("what", nargs=-1, type=KERNEL)
@options.result()
@click.pass_obj
def verify(layout: Layout, /, what: tuple[str, ...], output: Output) -> None:
    """Check the files and commits of kernels, of all by default; status 1 if one differs."""
    kernels = [find(wanted, layout) for wanted in what] if what else installed(layout)
    problems = {kernel.release: upkeep.verify(layout, kernel) for kernel in kernels}
    if not what:
        problems |= {name: [str(error)] for name, error in damaged(layout).items()}
    output.show(problems, _print_problems, {"json": _json})
    output.end(ExitStatus.CASE_FAILED if any(problems.values()) else ExitStatus.MEASURED)


def _print_problems(problems: dict[str, list[str]], console: Console) -> None:
    for release, lines in problems.items():
        print_line(console, f"{release}: {'; '.join(lines) if lines else 'as added'}")


def _tell_damaged(layout: Layout) -> None:
    for error in damaged(layout).values():
        click.echo(f"not listed: {error}", err=True)


def _json(what: object) -> str:
    return json.dumps(what, indent=2) + "\n"


def _all_as_json(kernels: Iterable[Kernel], layout: Layout) -> str:
    hashes = History(layout.history).hashes()
    return _json([_as_json(kernel, hashes) for kernel in kernels])


def _as_json(kernel: Kernel, hashes: dict[str, str]) -> dict[str, Any]:
    return {
        **json.loads(kernel.record.to_json()),
        "commit": hashes.get(kernel.release),
        "image": str(kernel.image) if kernel.image else None,
        "modules": str(kernel.modules) if kernel.modules else None,
        "origin": asdict(kernel.origin),
    }
