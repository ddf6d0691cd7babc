"""The events that a tracer counts: of a process, a cgroup, a command name."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path

from ebpf_overhead.errors import BadUseError, UnsupportedError
from ebpf_overhead.programs.program_object import Constant

# PROC_PID_INIT_INO of include/linux/proc_ns.h.
_FIRST_PID_NAMESPACE = 4026531836
_COMMAND_BYTES = 16  # TASK_COMM_LEN, including the terminating zero


@dataclass(frozen=True)
class Filters:
    """Conditions that must all hold; None is no condition.

    Attributes
    ----------
    pid : int or None
        Process, with all its threads.
    cgroup : Path or None
        Directory of a version 2 cgroup, with all cgroups below it.
    command : str or None
        Command name, as in ``/proc/PID/comm``.
    """

    pid: int | None = None
    cgroup: Path | None = None
    command: str | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """The names of the conditions that are set."""
        named = {"pid": self.pid, "cgroup": self.cgroup, "command": self.command}
        return tuple(name for name, value in named.items() if value is not None)

    def constants(self) -> dict[Constant, int]:
        """Return the constants of ``filters.h``, with the numbers that they have.

        Raises
        ------
        BadUseError
            There is no such process or cgroup, or the name is too long for one.
        UnsupportedError
            The directory is not of cgroup version 2.
        """
        return {
            **(_of_process(self.pid) if self.pid is not None else {}),
            **(_of_cgroup(self.cgroup) if self.cgroup is not None else {}),
            **(_of_command(self.command) if self.command is not None else {}),
        }


def _of_process(pid: int) -> dict[Constant, int]:
    if not Path(f"/proc/{pid}").exists():
        raise BadUseError(f"no process has id {pid}", "see ps")
    wanted = {Constant("WANTED_PID"): pid}
    namespace = Path("/proc/self/ns/pid").stat()
    if namespace.st_ino != _FIRST_PID_NAMESPACE:
        wanted[Constant("PID_NAMESPACE_DEV")] = namespace.st_dev
        wanted[Constant("PID_NAMESPACE_INO", 64)] = namespace.st_ino
    return wanted


def _of_cgroup(path: Path) -> dict[Constant, int]:
    _, level = cgroup_root(path)
    # The helper returns the inode of the directory (kernfs) as id.
    return {
        Constant("WANTED_CGROUP", 64): path.stat().st_ino,
        Constant("WANTED_CGROUP_LEVEL"): level,
    }


def cgroup_root(path: Path) -> tuple[Path, int]:
    """Return the root of a cgroup's hierarchy, and the level of the cgroup below it.

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
    if not (root / "cgroup.controllers").exists():  # only version 2 has this file
        raise UnsupportedError(f"{path} is not in a version 2 cgroup hierarchy")
    return root, level


def _of_command(command: str) -> dict[Constant, int]:
    name = os.fsencode(command)
    if not 0 < len(name) < _COMMAND_BYTES:
        raise BadUseError(
            f"command name {command!r} has {len(name)} bytes",
            f"give 1 to {_COMMAND_BYTES - 1}, as in /proc/PID/comm",
        )
    first, second = struct.unpack("=QQ", name.ljust(_COMMAND_BYTES, b"\0"))
    return {
        Constant("WANTED_COMMAND_FIRST", 64): first,
        Constant("WANTED_COMMAND_SECOND", 64): second,
    }
