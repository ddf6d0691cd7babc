"""Where kernels, their history and what was downloaded for them lie on disk."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ebpf_overhead.kernels.reporting import Reporter

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
        The generated git repository (bare), ``root/history`` unless told otherwise.
    """

    root: Path
    history: Path

    @property
    def kernels(self) -> Path:
        """The catalogue: one directory a kernel release."""
        return self.root / "kernels"

    @property
    def packages(self) -> Path:
        """Downloaded packages, complete and checked."""
        return self.root / "cache" / "packages"

    @property
    def apt(self) -> Path:
        """Private lists, state and cache of apt."""
        return self.root / "cache" / "apt"

    @contextmanager
    def locked(self, reporter: Reporter) -> Iterator[None]:
        """Hold the data directory alone; a second command waits and says so.

        Parameters
        ----------
        reporter : Reporter
            Told when another process holds the lock.
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
    """Return the layout this user gets.

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
    """
    root = data or _from_environment(DATA_VARIABLE) or _user_data() / "ebpf-overhead"
    place = history or _from_environment(HISTORY_VARIABLE) or root / "history"
    return Layout(root.expanduser().absolute(), place.expanduser().absolute())


def _from_environment(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value) if value else None


def _user_data() -> Path:
    return _from_environment("XDG_DATA_HOME") or Path.home() / ".local" / "share"
