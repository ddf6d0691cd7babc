"""The processes that hold programs, links, and perf events with programs."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ebpf_overhead.printable import printable
from ebpf_overhead.tools.top.attachments import Attachment, perf_attachment

_NETWORK = "net:["
_IDS = re.compile(r"^(prog|link)_id:\s+(\d+)$", re.MULTILINE)


@dataclass(frozen=True, order=True)
class Holder:
    """A process that holds a program: its id and command name."""

    pid: int
    comm: str

    def __str__(self) -> str:
        return f"{self.comm} {self.pid}"


@dataclass
class Holders:
    """The holders of programs and links.

    Attributes
    ----------
    of_program, of_link : dict of int to set of Holder
        By the kernel's id.  The holder of a perf event holds its program.
    perf_events : dict of int to set of Attachment
        Attach points on perf events, by program.
    networks : dict of str to Path
        A file of each network namespace that is held by a descriptor.
    """

    of_program: dict[int, set[Holder]] = field(default_factory=lambda: defaultdict(set))
    of_link: dict[int, set[Holder]] = field(default_factory=lambda: defaultdict(set))
    perf_events: dict[int, set[Attachment]] = field(default_factory=lambda: defaultdict(set))
    networks: dict[str, Path] = field(default_factory=dict)


def find_holders(pids: Iterable[int] | None = None) -> Holders:
    """Return what the descriptors of processes hold, by default of all visible ones."""
    found = Holders()
    if pids is None:
        pids = [int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()]
    for pid in pids:
        _look_at(pid, found)
    return found


def _look_at(pid: int, found: Holders) -> None:
    process = None
    for fd, what in _descriptors(pid):
        if what.startswith(_NETWORK):
            found.networks.setdefault(what, Path(f"/proc/{pid}/fd/{fd}"))
            continue
        if what == "anon_inode:[perf_event]":
            kind, number = "prog", _perf_program(pid, fd, found)
        else:
            kind, number = _told(pid, fd)
        if not number:
            continue
        process = process or Holder(pid, command_of(pid))
        (found.of_link if kind == "link" else found.of_program)[number].add(process)


def _descriptors(pid: int) -> Iterator[tuple[int, str]]:
    """Yield the descriptors of a process that are looked at, with their types."""
    folder = f"/proc/{pid}/fd"
    try:
        numbers = os.listdir(folder)  # noqa: PTH208 - plain strings: there are thousands
    except OSError:  # gone, or denied to this user
        return
    for number in numbers:
        with suppress(OSError):  # closed meanwhile
            what = os.readlink(f"{folder}/{number}")  # noqa: PTH115
            if what.startswith(("anon_inode:bpf", "anon_inode:[perf_event]", _NETWORK)):
                yield int(number), what


def _told(pid: int, fd: int) -> tuple[str, int]:
    try:
        with open(f"/proc/{pid}/fdinfo/{fd}", encoding="utf-8") as stream:
            ids = {kind: int(number) for kind, number in _IDS.findall(stream.read())}
    except OSError:
        return "", 0
    # The descriptor of a link also gives the program's id.
    kind = "link" if "link" in ids else "prog"
    return kind, ids.get(kind, 0)


def _perf_program(pid: int, fd: int, found: Holders) -> int:
    attached = perf_attachment(pid, fd)
    if attached is None:
        return 0
    prog_id, attachment = attached
    found.perf_events[prog_id].add(attachment)
    return prog_id


def command_of(pid: int) -> str:
    """Return the command name of a process; ``?`` if it has ended."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as stream:
            return printable(stream.read().strip())
    except OSError:
        return "?"
