"""Programs at network devices, of all network namespaces that are seen from here."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path

from ebpf_overhead.bpf import netlink
from ebpf_overhead.bpf.namespaces import in_network
from ebpf_overhead.bpf.queries import HookType, attached
from ebpf_overhead.bpf.syscall import ProgType
from ebpf_overhead.tools.top.attachments import Attachment

# Types of programs that are at network devices.
KINDS = tuple(each.name.lower() for each in (ProgType.XDP, ProgType.SCHED_CLS, ProgType.SCHED_ACT))
_HOOKS = (
    HookType.TCX_INGRESS,
    HookType.TCX_EGRESS,
    HookType.NETKIT_PRIMARY,
    HookType.NETKIT_PEER,
)
_PLACES = {"/proc": "[0-9]*/ns/net", "/run/netns": "*"}


def at_devices(more: Iterable[Path] = ()) -> dict[int, set[Attachment]]:
    """Return the hooks at network devices, by program.

    Parameters
    ----------
    more : iterable of Path, optional
        Files of network namespaces, beside those of all processes and those with a name.
    """
    found: dict[int, set[Attachment]] = defaultdict(set)
    own = Path("/proc/self/ns/net").stat().st_ino
    for number, fd in _opened(more):
        where = "" if number == own else f" in netns {number}"
        try:
            with suppress(OSError):
                for prog_id, attach, place in in_network(fd, lambda: list(_here())):
                    found[prog_id].add(Attachment(attach, place + where))
        finally:
            os.close(fd)
    return found


def _opened(more: Iterable[Path]) -> Iterator[tuple[int, int]]:
    """Yield each namespace once: its number, and a descriptor that the caller closes."""
    seen = set()
    listed = (path for folder, pattern in _PLACES.items() for path in Path(folder).glob(pattern))
    for path in chain(listed, more):
        with suppress(OSError):  # the process has ended, or is somebody's
            number = path.stat().st_ino
            if number not in seen:
                seen.add(number)
                yield number, os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _here() -> Iterator[tuple[int, str, str]]:
    """Yield program, attach type and place of each hook in this thread's namespace."""
    for device in netlink.devices():
        for number in device.xdp:
            yield number, HookType.XDP.name.lower(), device.name
        for hook in _HOOKS:
            attach, _, direction = hook.name.lower().partition("_")
            with suppress(OSError):  # no such hook on this kernel, or on this device
                for number in attached(device.index, hook):
                    yield number, attach, f"{device.name} {direction}"
        for number, direction in netlink.filters(device.index):
            yield number, ProgType.SCHED_CLS.name.lower(), f"{device.name} {direction}"
