"""Options that say where Debian kernels come from, and what they mean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ebpf_overhead.architectures import ARCHITECTURES, here
from ebpf_overhead.cli.names import NameType
from ebpf_overhead.cli.options import add_options
from ebpf_overhead.kernels import offers
from ebpf_overhead.kernels.apt import PrivateApt
from ebpf_overhead.kernels.layout import Layout
from ebpf_overhead.kernels.mirror import DebianArchive, find_mirror

_Function = TypeVar("_Function", bound=Callable[..., Any])
_PATH = click.Path(exists=True, path_type=Path)


def archive_options(function: _Function) -> _Function:
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
        click.option(
            "--keyring", type=_PATH, help="Keyring that the mirror's lists are signed with."
        ),
        click.option(
            "--arch",
            type=NameType("architecture", [each.debian for each in ARCHITECTURES.values()]),
            default=lambda: here().debian,
            show_default=False,
            help="Debian architecture.  [default: this machine's]",
        ),
        click.option(
            "--flavour", default="", show_default="none", help="Kernel flavour: cloud, rt."
        ),
        click.option(
            "--allow-expired-lists",
            is_flag=True,
            help="Accept expired lists (of a frozen mirror); signatures are still checked.",
        ),
        click.option("--refresh", is_flag=True, help="Read the lists again, not once per day."),
    ]
    return add_options(function, options)


def apt_of(
    layout: Layout,
    mirror: str | None,
    keyring: Path | None,
    suites: tuple[str, ...],
    arch: str,
    allow_expired_lists: bool,
) -> PrivateApt:
    """Return the private apt that these options ask for."""
    place = find_mirror(mirror, keyring)
    return PrivateApt(
        layout.apt, DebianArchive(place, suites or offers.SUITES, arch, allow_expired_lists)
    )
