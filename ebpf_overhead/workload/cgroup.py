"""Having this process, and so its workloads, in a cgroup for a while."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ebpf_overhead.errors import BadUseError, RefusedError

_OWN = re.compile(r"^0::(/.*)$", re.MULTILINE)
_PROCESSES = "cgroup.procs"


@contextmanager
def inside(path: Path) -> Iterator[Path]:
    """Have this process in a cgroup while the block runs; yield the cgroup that it comes from.

    Parameters
    ----------
    path : Path
        Directory of a cgroup of version 2.

    Raises
    ------
    BadUseError
        There is no such cgroup.
    RefusedError
        The kernel does not let this process in.
    """
    if not (path / _PROCESSES).exists() or not (path / "cgroup.controllers").exists():
        raise BadUseError(
            f"{path} is not a directory of a version 2 cgroup", "see /proc/PID/cgroup"
        )
    home = _home(path.resolve())
    try:
        _enter(path)
    except OSError as error:
        raise RefusedError(
            f"{path} cannot be entered: {error.strerror}",
            "choose a cgroup without children; run as root",
        ) from error
    try:
        yield home
    finally:
        _enter(home)


def _home(path: Path) -> Path:
    """Return the directory of this process's cgroup, in the hierarchy of a path."""
    while (path.parent / _PROCESSES).exists():
        path = path.parent
    found = _OWN.search(Path("/proc/self/cgroup").read_text(encoding="utf-8"))
    return path / (found[1].lstrip("/") if found else "")


def _enter(path: Path) -> None:
    (path / _PROCESSES).write_text("0", encoding="ascii")
