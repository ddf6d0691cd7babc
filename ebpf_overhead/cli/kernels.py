"""``ebpf-overhead kernels``: the kernels that measurements can run on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

import click

from ebpf_overhead.cli.kernels_measure import measure
from ebpf_overhead.cli.kernels_view import TerminalReporter, print_installed, print_offered
from ebpf_overhead.errors import ExitStatus
from ebpf_overhead.kernels import debian, offers, store, upkeep
from ebpf_overhead.kernels.adding import Adder, Choices
from ebpf_overhead.kernels.apt import PrivateApt
from ebpf_overhead.kernels.catalogue import Kernel, find, installed
from ebpf_overhead.kernels.history import History
from ebpf_overhead.kernels.layout import HISTORY_VARIABLE, Layout, default_layout
from ebpf_overhead.kernels.mirror import Archive, find_mirror
from ebpf_overhead.kernels.versions import is_of

_Function = TypeVar("_Function", bound=Callable[..., Any])
_PATH = click.Path(exists=True, path_type=Path)

# Debian's name of an architecture, by the name `uname -m` gives it.
_DEBIAN_ARCH = {"x86_64": "amd64", "aarch64": "arm64"}


_WHAT = """\b
WHAT:
  6.12                    the newest Debian kernel of a series
  6.12.107+deb13-amd64    a Debian kernel by its release
  stable                  the newest kernel of Debian's stable release
  newest                  the newest kernel that the mirror offers
  ./linux-image-….deb     a package; all of them where a kernel is split
  ./vmlinuz               an image, with --modules lib/modules/RELEASE
  ./linux                 a built kernel tree
  running                 the running kernel, measured natively

"""


def _example(arguments: str) -> str:
    return f"\b\nExample:\n  ebpf-overhead kernels {arguments}"


def _archive_options(function: _Function) -> _Function:
    """Give a command the options that say where Debian kernels come from."""
    options = [
        click.option(
            "--mirror",
            metavar="URL",
            help="Debian mirror.  [default: the one in this machine's apt sources]",
        ),
        click.option(
            "--suite",
            "suites",
            multiple=True,
            metavar="SUITE",
            help=f"Suite to read; repeatable.  [default: {' '.join(offers.SUITES)}]",
        ),
        click.option("--keyring", type=_PATH, help="What the mirror's lists are signed with."),
        click.option(
            "--arch",
            type=click.Choice(["amd64", "arm64"]),
            default=lambda: _DEBIAN_ARCH.get(os.uname().machine, "amd64"),
            help="Debian architecture.  [default: this machine's]",
        ),
        click.option("--flavour", default="", help="Kernel flavour: cloud, rt.  [default: none]"),
        click.option(
            "--allow-expired-lists",
            is_flag=True,
            help="Accept lists past their validity date (a frozen mirror); signatures still count.",
        ),
        click.option("--refresh", is_flag=True, help="Read the lists anew, not once a day."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


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
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_command(layout: Layout, as_json: bool) -> None:
    """List the kernels that are here, oldest first."""
    kernels = installed(layout)
    if as_json:
        hashes = History(layout.history).hashes()
        click.echo(json.dumps([_as_json(kernel, hashes) for kernel in kernels], indent=2))
    else:
        print_installed(kernels, layout)


@command.command(epilog=_example("available --all 6.12"))
@click.argument("series", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every release, not each series' newest.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_archive_options
@click.pass_obj
def available(
    layout: Layout,
    /,
    series: tuple[str, ...],
    everything: bool,
    as_json: bool,
    refresh: bool,
    flavour: str,
    **where: Any,
) -> None:
    """List the kernels the Debian mirror offers."""
    with TerminalReporter() as reporter, layout.locked(reporter):
        apt = _apt(layout, **where)
        offered = debian.kernels(
            offers.read_offers(apt, refresh, reporter), apt.archive.arch, flavour
        )
    if series:
        offered = [k for k in offered if any(is_of(k.version, wanted) for wanted in series)]
    if not everything:
        # The newest of each series, a complete one if there is one.
        newest = {k.series: k for k in sorted(offered, key=lambda kernel: not kernel.delisted)}
        offered = [kernel for kernel in offered if newest[kernel.series] is kernel]
    if as_json:
        click.echo(json.dumps([debian.as_json(kernel) for kernel in offered], indent=2))
    else:
        print_offered(offered, {kernel.release for kernel in installed(layout)})


@command.command(epilog=_WHAT + _example("add 6.1 6.12 7.3"))
@click.argument("what", nargs=-1, required=True)
@click.option("--modules", type=_PATH, help="Modules of an image given as a file.")
@click.option("--config", type=_PATH, help="Configuration of an image given as a file.")
@click.option("--all-modules", is_flag=True, help="Keep drivers of hardware no guest has, too.")
@click.option(
    "--delisted",
    is_flag=True,
    help="Accept kernels whose modules the mirror has but no longer lists; each module is then "
    "checked with the key in the listed image.",
)
@click.option("--replace", is_flag=True, help="Replace a different kernel of the same release.")
@click.option("--quiet", is_flag=True, help="Print the releases asked for and nothing else.")
@_archive_options
@click.pass_obj
def add(
    layout: Layout,
    /,
    what: tuple[str, ...],
    quiet: bool,
    **options: Any,
) -> None:
    """Add kernels, each one a WHAT below."""
    chosen = {field.name: options.pop(field.name) for field in fields(Choices)}
    with TerminalReporter() as reporter:
        added = Adder(layout, lambda: _apt(layout, **options), Choices(**chosen), reporter).add(
            what
        )
    if quiet:
        click.echo("\n".join(added))
    else:
        print_installed(installed(layout), layout)


command.add_command(measure)


@command.command(epilog=_example("remove 6.12.107+deb13-amd64"))
@click.argument("what", nargs=-1, required=True)
@click.option("--keep-packages", is_flag=True, help="Keep the downloaded packages.")
@click.pass_obj
def remove(layout: Layout, what: tuple[str, ...], keep_packages: bool) -> None:
    """Remove kernels, their packages and their place in the history, but no results."""
    with TerminalReporter() as reporter:
        for kernel in [find(wanted, layout) for wanted in what]:
            upkeep.remove(layout, kernel, keep_packages, reporter)
            click.echo(
                f"removed {kernel.release}; its results are kept, and count again when the same "
                "kernel is added again"
            )


@command.command(epilog=_example("verify 6.12"))
@click.argument("what", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def verify(context: click.Context, what: tuple[str, ...], as_json: bool) -> None:
    """Check the files and the commit of kernels, all by default; status 1 if any differs."""
    layout: Layout = context.obj
    kernels = [find(wanted, layout) for wanted in what] if what else installed(layout)
    problems = {kernel.release: upkeep.verify(layout, kernel) for kernel in kernels}
    if as_json:
        click.echo(json.dumps(problems, indent=2))
    else:
        for release, lines in problems.items():
            click.echo(f"{release}: {'; '.join(lines) if lines else 'as added'}")
    if any(problems.values()):
        context.exit(int(ExitStatus.CASE_FAILED))


def _apt(
    layout: Layout,
    mirror: str | None,
    keyring: Path | None,
    suites: tuple[str, ...],
    arch: str,
    allow_expired_lists: bool,
) -> PrivateApt:
    place = find_mirror(mirror, keyring)
    return PrivateApt(
        layout.apt, Archive(place, suites or offers.SUITES, arch, allow_expired_lists)
    )


def _as_json(kernel: Kernel, hashes: dict[str, str]) -> dict[str, Any]:
    return {
        **json.loads(kernel.record.to_json()),
        "commit": hashes.get(kernel.release),
        "image": str(kernel.image) if kernel.image else None,
        "modules": str(kernel.modules) if kernel.modules else None,
        "origin": asdict(store.read_origin(kernel.directory)),
    }
