"""What asv works on where kernels are the revisions: the kernel history, and results.

Under version control are, in ``results/``, the results of kernels that were measured for
everybody, and the descriptions of these kernels.  asv itself works in ``.asv/kernels/``: on a
history of these kernels and of those that are on this machine, and on results that begin with
the committed ones.  A run never writes to what is under version control; `Workspace.keep` does.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ebpf_overhead.asv.merging import has_values, is_counted, merge, read
from ebpf_overhead.closing import write_atomically
from ebpf_overhead.errors import UnknownNameError
from ebpf_overhead.kernels import committed
from ebpf_overhead.kernels.catalogue import damaged, installed
from ebpf_overhead.kernels.committed import DescribedKernel
from ebpf_overhead.kernels.history import History
from ebpf_overhead.kernels.layout import Layout, default_layout
from ebpf_overhead.kernels.record import KernelRecord
from ebpf_overhead.reading import read_text
from ebpf_overhead.trust import refuse_foreign


@dataclass(frozen=True)
class Workspace:
    """The files of asv's configuration for kernels.

    Parameters
    ----------
    root : Path
        The folder of the configuration.
    """

    root: Path

    @property
    def history(self) -> History:
        """The kernel history that asv reads."""
        return History(self.root / ".asv/kernels/history")

    @property
    def results(self) -> Path:
        """The results that asv reads and writes."""
        return self.root / ".asv/kernels/results"

    @property
    def committed_results(self) -> Path:
        """The results under version control, in asv's form."""
        return self.root / "results/kernels"

    @property
    def committed_kernels(self) -> Path:
        """The kernels under version control, as `kernels.committed` describes them."""
        return self.root / "results/kernel-records"

    def prepare(
        self, layout: Layout | None = None, warn: Callable[[str], None] = lambda text: None
    ) -> None:
        """Bring history and results up to date with what is committed and what is here.

        Parameters
        ----------
        layout : Layout, optional
            Where this machine's kernels are; the user's own by default.
        warn : callable, optional
            Told why this machine's kernels cannot be read; the committed ones are there then.

        Raises
        ------
        OverheadError
            What is committed is damaged, or git is missing.
        """
        with self._locked():
            self.history.sync(self._kernels(layout or default_layout(), warn))
            merge(self.committed_results, self.results)
            self._describe_machines()

    def bring(self, measured: Path) -> list[Path]:
        """Bring results that were measured elsewhere among those that asv reads.

        Parameters
        ----------
        measured : Path
            A folder of results, as asv has it.

        Returns
        -------
        list of Path
            The files that changed.

        Raises
        ------
        FailedError
            A file is damaged.
        """
        with self._locked():
            return merge(measured, self.results)

    def find(self, wanted: str, *, measured: bool = False) -> tuple[str, KernelRecord]:
        """Return a kernel of the history: its commit and record.

        Parameters
        ----------
        wanted : str
            A release, a version, or a series, which stands for its newest kernel.
        measured : bool, optional
            Whether a series stands for its newest kernel that has results, if one has.

        Raises
        ------
        UnknownNameError
            There is none.
        """
        records = self.history.records()
        found = [(c, each) for c, each in reversed(records.items()) if each.is_called(wanted)]
        if not found:
            known = [record.release for record in records.values()]
            remedy = "see ebpf-overhead history"
            raise UnknownNameError("kernel of the history", wanted, known, remedy)
        # asv's files begin with the commit.
        begin = {path.name.partition("-")[0] for path in self.results.glob("*/*-*.json")}
        having = [each for each in found if measured and each[0].startswith(tuple(begin))]
        return (having or found)[0]

    def keep(self, layout: Layout, wanted: Callable[[KernelRecord], bool]) -> list[Path]:
        """Copy counted results, and the kernels they are of, to where git tracks them.

        Results by time belong to a machine and are left out.

        Parameters
        ----------
        layout : Layout
            Where this machine's kernels are.
        wanted : callable
            Whether to keep a kernel's results.

        Returns
        -------
        list of Path
            The files of results that changed.

        Raises
        ------
        OverheadError
            What is committed is damaged.
        """
        with self._locked():
            records = self.history.records()
            counted = {
                str(stored["commit_hash"]): records[stored["commit_hash"]]
                for stored in map(read, self.results.glob("*/*-*.json"))
                if _is_counted(stored) and stored["commit_hash"] in records
            }
            chosen = {commit: record for commit, record in counted.items() if wanted(record)}
            for kernel in self._kernels(layout, lambda text: None):
                if kernel[0] in chosen.values():
                    committed.write(self.committed_kernels, kernel)
            return merge(
                self.results,
                self.committed_results,
                lambda stored: _is_counted(stored) and stored["commit_hash"] in chosen,
            )

    def _kernels(self, layout: Layout, warn: Callable[[str], None]) -> Collection[DescribedKernel]:
        """Return the committed kernels and those of this machine, each once.

        One that is both is one kernel, and one commit.
        """
        described = list(committed.read(self.committed_kernels))
        described += [(each.record, each.config_text()) for each in installed(layout)]
        for error in damaged(layout).values():
            warn(f"without a kernel of this machine: {error}")
        return {record.to_json(): (record, config) for record, config in described}.values()

    def _describe_machines(self) -> None:
        """Undo what asv run writes where the host has the name of a committed machine."""
        for path in self.committed_results.glob("*/machine.json"):
            text = read_text(path)
            place = self.results / path.relative_to(self.committed_results)
            if place.exists() and read_text(place) != text:
                write_atomically(place, text)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep a second asv waiting that starts at the same time.

        Nothing is read or written where another user could have put a link.
        """
        for place in (self.results, self.committed_results, self.committed_kernels):
            refuse_foreign(place)
        folder = self.results.parent
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _is_counted(stored: Mapping[str, Any]) -> bool:
    """Whether a file has instructions: a run in which everything failed has none."""
    return is_counted(stored) and has_values(stored)
