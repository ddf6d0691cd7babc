"""Keeps catalogue and history together: synchronise, verify, remove."""

from __future__ import annotations

from ebpf_overhead.errors import FailedError
from ebpf_overhead.kernels import store
from ebpf_overhead.kernels.catalogue import Kernel, installed
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
        One line per difference; empty when all is well.
    """
    problems = store.differences(kernel.directory)
    try:
        if History(layout.history).record(kernel.release) != kernel.record:
            problems.append("its commit in the history says something else than kernel.json")
    except FailedError as error:
        problems.append(f"its commit in the history cannot be read: {error.what}")
    return problems


def remove(layout: Layout, kernel: Kernel, keep_packages: bool, reporter: Reporter) -> None:
    """Take a kernel out of the catalogue and the history; results stay where they are.

    Parameters
    ----------
    layout : Layout
        Where it is.
    kernel : Kernel
        Which.
    keep_packages : bool
        Keep its downloaded packages.
    reporter : Reporter
        Told when another command holds the data directory.
    """
    with layout.locked(reporter):
        store.remove(layout.kernels, kernel.release)
        sync_history(layout)
        for package in () if keep_packages else kernel.record.packages:
            for path in layout.packages.glob(f"{package.name}_*.deb"):
                path.unlink()
