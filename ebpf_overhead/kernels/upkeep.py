"""Keeps catalogue and history consistent: synchronise, verify, remove."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from glob import escape

from ebpf_overhead.errors import FailedError
from ebpf_overhead.kernels import store, userland
from ebpf_overhead.kernels.catalogue import Kernel, damaged, find, installed
from ebpf_overhead.kernels.history import History
from ebpf_overhead.kernels.layout import Layout
from ebpf_overhead.kernels.reporting import Reporter


def sync_history(layout: Layout) -> None:
    """Make the history hold exactly the catalogue's kernels."""
    kernels = installed(layout)
    History(layout.history).sync((kernel.record, kernel.config_text()) for kernel in kernels)


def verify(layout: Layout, kernel: Kernel) -> list[str]:
    """Check a kernel's files and its commit.

    Parameters
    ----------
    layout : Layout
        Where it is.
    kernel : Kernel
        Which.

    Returns
    -------
    list of str
        One line per difference; empty if there is none.
    """
    problems = store.differences(kernel.directory)
    try:
        if History(layout.history).record(kernel.release) != kernel.record:
            problems.append("its commit in the history differs from kernel.json")
    except FailedError as error:
        problems.append(f"its commit in the history cannot be read: {error.what}")
    return problems


def remove(
    layout: Layout, wanted: Sequence[str], keep_packages: bool, reporter: Reporter
) -> list[str]:
    """Remove kernels, with the states of their guests, and from the history; results stay.

    With the last kernel of another architecture, the programs of its guests go as well.

    Parameters
    ----------
    layout : Layout
        Where the catalogue is.
    wanted : sequence of str
        Kernels as `catalogue.find` finds them, or the names of damaged ones.
    keep_packages : bool
        Keep their downloaded packages.
    reporter : Reporter
        Receives a note when another command holds the data directory.

    Returns
    -------
    list of str
        The names of what was removed.

    Raises
    ------
    BadUseError
        When one of them does not exist; then none is removed.
    """
    with layout.locked(reporter):
        broken = damaged(layout)
        kernels = [find(each, layout) for each in wanted if each not in broken]
        names = [each for each in wanted if each in broken]
        names = list(dict.fromkeys(names + [kernel.release for kernel in kernels]))
        for name in names:
            store.remove(layout.kernels, name)
            shutil.rmtree(layout.states / name, ignore_errors=True)
        sync_history(layout)
        userland.remove_unused(layout.userlands, {each.arch for each in installed(layout)})
        packages = [package for kernel in kernels for package in kernel.record.packages]
        for package in () if keep_packages else packages:
            for path in layout.packages.glob(f"{escape(package.name)}_*.deb"):
                path.unlink()
    return names
