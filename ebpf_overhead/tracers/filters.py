"""Whose events a tracer counts: a process, a cgroup, a command name."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path

from ebpf_overhead.errors import BadUseError, UnsupportedError

# PROC_PID_INIT_INO of include/linux/proc_ns.h.
_FIRST_PID_NAMESPACE = 4026531836
_COMMAND_BYTES = 16  # TASK_COMM_LEN, the terminating zero included


@dataclass(frozen=True)
class Filters:
    """Conditions that all have to hold; None leaves one out.

    Attributes
    ----------
    pid : int or None
        Process, all of its threads.
    cgroup : Path or None
        Directory of a version 2 cgroup; those below it count too.
    command : str or None
        Command name, as ``/proc/PID/comm`` has it.
    """

    pid: int | None = None
    cgroup: Path | None = None
    command: str | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """Which conditions there are."""
        named = {"pid": self.pid, "cgroup": self.cgroup, "command": self.command}
        return tuple(name for name, value in named.items() if value is not None)

    def definitions(self) -> list[str]:
        """Return the definitions for ``filters.h``.

        Raises
        ------
        BadUseError
            There is no such process or cgroup, or the name is too long for one.
        UnsupportedError
            The directory is not of cgroup version 2.
        """
        return [
            *(_pid_definitions(self.pid) if self.pid is not None else []),
            *(_cgroup_definitions(self.cgroup) if self.cgroup is not None else []),
            *(_command_definitions(self.command) if self.command is not None else []),
        ]


def _pid_definitions(pid: int) -> list[str]:
    if not Path(f"/proc/{pid}").exists():
        raise BadUseError(f"no process has id {pid}", "see ps")
    namespace = Path("/proc/self/ns/pid").stat()
    if namespace.st_ino == _FIRST_PID_NAMESPACE:
        return [f"WANTED_PID={pid}"]
    return [
        f"WANTED_PID={pid}",
        f"PID_NAMESPACE_DEV={namespace.st_dev}",
        f"PID_NAMESPACE_INO={namespace.st_ino}",
    ]


def _cgroup_definitions(path: Path) -> list[str]:
    _, level = cgroup_root(path)
    # The id that the helper returns is the directory's inode (kernfs).
    return [f"WANTED_CGROUP={path.stat().st_ino}ULL", f"WANTED_CGROUP_LEVEL={level}"]


def cgroup_root(path: Path) -> tuple[Path, int]:
    """Return the root of a cgroup's hierarchy, and how far below it the cgroup is.

    Raises
    ------
    BadUseError
        The path is not a directory.
    UnsupportedError
        It is not in a hierarchy of version 2.
    """
    if not path.is_dir():
        raise BadUseError(f"{path} is not a directory of a cgroup", "see /proc/PID/cgroup")
    root, level = path.resolve(), 0
    while (root.parent / "cgroup.procs").exists():
        root, level = root.parent, level + 1
    if not (root / "cgroup.controllers").exists():  # version 2 alone has this file
        raise UnsupportedError(f"{path} is not in a version 2 cgroup hierarchy")
    return root, level


def _command_definitions(command: str) -> list[str]:
    name = os.fsencode(command)
    if not 0 < len(name) < _COMMAND_BYTES:
        raise BadUseError(
            f"command name {command!r} has {len(name)} bytes",
            f"give 1 to {_COMMAND_BYTES - 1}, as /proc/PID/comm has it",
        )
    first, second = struct.unpack("=QQ", name.ljust(_COMMAND_BYTES, b"\0"))
    return [f"WANTED_COMMAND_FIRST={first}ULL", f"WANTED_COMMAND_SECOND={second}ULL"]
