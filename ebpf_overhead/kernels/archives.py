"""The Debian archive as several architectures see it, and the kernels that it offers to each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

from ebpf_overhead.kernels import debian
from ebpf_overhead.kernels.apt import PrivateApt
from ebpf_overhead.kernels.layout import Layout
from ebpf_overhead.kernels.offers import read_offers
from ebpf_overhead.kernels.reporting import Reporter
from ebpf_overhead.kernels.versions import split_architecture


class Archives:
    """One archive; its lists are read once per architecture, and when they are wanted.

    Parameters
    ----------
    layout : Layout
        Where the lists are kept.
    make : callable
        Returns the archive, with the architecture that is meant where a name says none.
    """

    def __init__(self, layout: Layout, make: Callable[[], PrivateApt]) -> None:
        self._layout = layout
        self._make = make
        self._offered: dict[str, list[debian.OfferedKernel]] = {}

    @cached_property
    def usual(self) -> PrivateApt:
        """The archive that was asked for."""
        return self._make()

    def of(self, arch: str, suites: tuple[str, ...] = ()) -> PrivateApt:
        """Return the archive for an architecture, by Debian's name; with other suites if given."""
        archive = self.usual.archive
        if arch == archive.arch and not suites:
            return self.usual
        other = replace(archive, arch=arch, suites=suites or archive.suites)
        return PrivateApt(self._layout.apt, other)

    def choose(
        self, wanted: str, flavour: str, delisted: bool, refresh: bool, reporter: Reporter
    ) -> debian.OfferedKernel:
        """Return the kernel that a name means: ``6.12``, ``6.12-arm64``, or a release.

        Raises
        ------
        OverheadError
            There is none, or no list can be read.
        """
        name, architecture = split_architecture(wanted)
        arch = self.usual.archive.arch if architecture is None else architecture.debian
        if arch not in self._offered:
            offers = read_offers(self.of(arch), refresh, reporter)
            self._offered[arch] = debian.kernels(offers, arch, flavour)
        return debian.choose(self._offered[arch], name, delisted)
