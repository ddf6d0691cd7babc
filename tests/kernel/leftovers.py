"""What is left in the kernel, as bpftool, tracefs and the mount table tell it.

Other users of the machine may load programs at the same time.  So only objects of the
names used here count, and only those that no living process holds: whatever a dead
process left behind is held by nobody.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ebpf_overhead.bpf import pseudofs

# The kernel frees programs after a grace period.
PATIENCE_S = 30.0

NAMES = {
    "prog": {
        "program",
        "empty",
        "simple",
        "complex",
        "caller_counter",
        "entered",
        "returned",
        "count",
    },
    "map": {
        "counts",
        "lost_updates",
        "counted_callers",
        "subject",
        "starts",
        "latencies",
        "events",
    },
}
KINDS = ("prog", "map", "link")
EVENT_FILES = ("dynamic_events", "kprobe_events", "uprobe_events")
FILE_SYSTEMS = {"tracefs", "debugfs", "securityfs", "bpf"}


class BpfObject(NamedTuple):
    kind: str
    number: int


@cache
def bpftool() -> str | None:
    return shutil.which("bpftool", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def shown(kind: str) -> list[dict]:
    """Return what bpftool shows of a kind.

    It gives up when an object comes or goes at the wrong moment, by anybody's doing.
    """
    command = [bpftool() or "bpftool", "-j", kind, "show"]
    for _ in range(10):
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode == 0:
            return json.loads(run.stdout or "[]")
        time.sleep(0.05)
    raise AssertionError(f"{' '.join(command)}: status {run.returncode}: {run.stdout}{run.stderr}")


def listed() -> set[BpfObject]:
    """Return the programs and maps of our names, and all links, that the kernel has."""
    return {
        BpfObject(kind, each["id"])
        for kind in KINDS
        for each in shown(kind)
        if kind not in NAMES or each.get("name") in NAMES[kind]
    }


def entries(folder: Path) -> list[Path]:
    """What is in a folder of a process; nothing once the process has ended."""
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def held_by(pid: int | str) -> set[BpfObject]:
    """Return what a process has descriptors of."""
    found = set()
    for info in entries(Path(f"/proc/{pid}/fdinfo")):
        try:
            text = info.read_text()
        except OSError:  # closed meanwhile
            continue
        for kind, number in re.findall(r"^(prog|map|link)_id:\s+(\d+)$", text, re.MULTILINE):
            found.add(BpfObject(kind, int(number)))
    return found


def is_attached(pid: int) -> bool:
    """Whether a process holds a hook: a link, or a perf event."""
    for descriptor in entries(Path(f"/proc/{pid}/fd")):
        try:
            target = str(descriptor.readlink())
        except OSError:  # closed meanwhile
            continue
        if target in ("anon_inode:bpf_link", "anon_inode:[perf_event]"):
            return True
    return False


def held() -> set[BpfObject]:
    """Return what the living processes have descriptors of."""
    pids = [path.name for path in Path("/proc").iterdir() if path.name.isdigit()]
    return set().union(*map(held_by, pids))


def events() -> dict[str, str | None]:
    """Return the kernel's dynamic events; None for files that it does not have."""
    texts: dict[str, str | None] = {}
    for name in EVENT_FILES:
        try:
            texts[name] = pseudofs.read_text("tracefs", name)
        except OSError:
            texts[name] = None
    return texts


def mounts() -> list[str]:
    """Return the mounts of the file systems that probing has to do with."""
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return [line for line in lines if line.split()[2] in FILE_SYSTEMS]


class Watch:
    """The kernel as it is now, to be compared with later."""

    def __init__(self) -> None:
        self.before = listed()
        self.events = events()
        self.mounts = mounts()

    def left(self) -> set[BpfObject]:
        """Return what is new and held by nobody, after some patience."""
        deadline = time.monotonic() + PATIENCE_S
        left = listed() - self.before - held()
        while left and time.monotonic() < deadline:
            time.sleep(0.05)
            left &= listed() - held()
        return left

    def check(self) -> None:
        assert self.left() == set()
        assert events() == self.events
        assert mounts() == self.mounts
