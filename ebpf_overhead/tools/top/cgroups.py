"""Programs at cgroups, and the names of cgroups."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress

from ebpf_overhead.bpf import pseudofs
from ebpf_overhead.bpf.queries import HookType, attached
from ebpf_overhead.bpf.syscall import ProgType
from ebpf_overhead.tools.top.attachments import Attachment

# Types of programs that are at cgroups.
KINDS = tuple(each.name.lower() for each in (ProgType.SOCK_OPS, ProgType.LSM))
_PREFIX = "cgroup_"
_HOOKS = [each for each in HookType if each.name.startswith("CGROUP_")] + [HookType.LSM_CGROUP]


def is_of_cgroups(kind: str) -> bool:
    """Whether programs of a type are at cgroups."""
    return kind.startswith(_PREFIX) or kind in KINDS


def at_cgroups() -> dict[int, set[Attachment]]:
    """Return the hooks at cgroups of version 2, by program; nothing where there are none."""
    found: dict[int, set[Attachment]] = defaultdict(set)
    with suppress(OSError):
        for path, fd in _cgroups():
            for hook in _HOOKS:
                with suppress(OSError):  # this kernel does not know the hook
                    for number in attached(fd, hook):
                        found[number].add(Attachment(hook.name.lower(), path))
    return found


def cgroup_paths() -> dict[int, str]:
    """Return the path of each cgroup of version 2 by its id; nothing where there are none."""
    found = {}
    with suppress(OSError):
        for path, fd in _cgroups():
            found[os.fstat(fd).st_ino] = path  # kernfs: the inode's number is the id
    return found


def _cgroups() -> Iterator[tuple[str, int]]:
    """Yield the path of each cgroup, and a descriptor that is open meanwhile."""
    root = pseudofs.open_fd("cgroup2", ".")
    try:
        for path, _, _, fd in os.fwalk(".", dir_fd=root):
            yield path.removeprefix(".") or "/", fd
    finally:
        os.close(root)
