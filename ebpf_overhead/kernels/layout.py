"""Where kernels, their history and their downloaded packages are on disk."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ebpf_overhead.kernels.reporting import Reporter
from ebpf_overhead.trust import refuse_foreign

DATA_VARIABLE = "EBPF_OVERHEAD_DATA"
HISTORY_VARIABLE = "EBPF_OVERHEAD_HISTORY"


@dataclass(frozen=True)
class Layout:
    """The directories this package reads and writes.

    Parameters
    ----------
    root : Path
        The data directory.
    history : Path
        The generated git repository (bare); ``root/history`` by default.
    """

    root: Path
    history: Path

    @property
    def kernels(self) -> Path:
        """The catalogue: one directory per kernel release."""
        return self.root / "kernels"

    @property
    def states(self) -> Path:
        """Saved states of guests: one directory per kernel release."""
        return self.root / "states"

    @property
    def userlands(self) -> Path:
        """Programs of guests of other architectures; see `ebpf_overhead.kernels.userland`."""
        return self.root / "userlands"

    @property
    def suite(self) -> Path:
        """The suite that an installed package brings; see `ebpf_overhead.asv.suite`."""
        return self.root / "suite"

    @property
    def packages(self) -> Path:
        """Complete, checked packages."""
        return self.root / "cache" / "packages"

    @property
    def apt(self) -> Path:
        """Private lists, state and cache of apt."""
        return self.root / "cache" / "apt"

    @contextmanager
    def locked(self, reporter: Reporter) -> Iterator[None]:
        """Lock the data directory; a second command waits for it, with a note.

        Parameters
        ----------
        reporter : Reporter
            Receives a note when another process holds the lock.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with open(self.root / ".lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                reporter.note(f"waiting for another command that uses {self.root}")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def default_layout(data: Path | None = None, history: Path | None = None) -> Layout:
    """Return the layout for this user.

    Parameters
    ----------
    data : Path, optional
        The data directory; else ``$EBPF_OVERHEAD_DATA``, else
        ``$XDG_DATA_HOME/ebpf-overhead``, else ``~/.local/share/ebpf-overhead``.
    history : Path, optional
        The history repository; else ``$EBPF_OVERHEAD_HISTORY``, else ``history`` in the
        data directory.

    Returns
    -------
    Layout
        With absolute paths.

    Raises
    ------
    BadUseError
        When another user could have written to one of the directories.
    """
    root = data or _from_environment(DATA_VARIABLE) or _user_data() / "ebpf-overhead"
    place = history or _from_environment(HISTORY_VARIABLE) or root / "history"
    layout = Layout(root.expanduser().absolute(), place.expanduser().absolute())
    own = (layout.root, layout.history, layout.kernels, layout.states, layout.userlands)
    for used in (*own, layout.packages, layout.apt):
        refuse_foreign(used)
    return layout


def _from_environment(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value) if value else None


def _user_data() -> Path:
    return _from_environment("XDG_DATA_HOME") or Path.home() / ".local" / "share"
