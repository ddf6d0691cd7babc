"""What PID 1 does when the host tells it what it is to see: mounts, files, environment.

Up to then the guest lives in memory and has nothing of the host mounted, so that its state can
be saved (`ebpf_overhead.guest.states`).  A state that is restored begins here, as a boot does.
"""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

# The root in memory, which is covered where directories of the host are mounted.
_MEMORY = "/.guest/memory"
_COPIES = "/.guest/copies"
# Where the kernel's modules are, as far as the host has no directory for those of its own.
MODULES = "/.guest/kernel"
_MODPROBE = Path("/.guest/modprobe")

# linux/mount.h
_READ_ONLY, _NO_SETUID, _NO_DEVICES, _BIND = 1, 2, 4, 4096


def begin(message: dict[str, Any]) -> None:
    """Make the guest what the host says.

    Parameters
    ----------
    message : dict
        ``shown`` (where each directory is mounted, in the order of the devices), ``share``,
        ``options`` (of all mounts), ``readahead_kib`` (or null), ``files`` (place and mode of each
        in the directory of copies), ``links`` (place and target) and ``environment``.

    Raises
    ------
    OSError
        Something cannot be mounted or made.
    """
    shown, options = message["shown"], message["options"]
    _mount("/", _MEMORY, flags=_BIND)
    for number, place in enumerate(shown):
        # cache=loose keeps what was read once, right because nothing changes the host's files
        # from inside; what the host changes meanwhile may not be seen.
        _make(place, shown[:number])
        _mount_9p(f"shown{number}", place, f"cache=loose,{options}", _READ_ONLY)
    if message["readahead_kib"] is not None:  # The share comes later and is not cached.
        for setting in Path("/sys/class/bdi").glob("9p-*/read_ahead_kb"):
            setting.write_text(str(message["readahead_kib"]))
    if any(place.startswith(f"{MODULES}/") for place in shown):
        _load_from(MODULES)
    _keep_mapped(shown)
    # cache=none: host and guest see each other's writes at once.
    _mount_9p("share", message["share"], f"cache=none,{options}")
    if message["files"]:
        _mount_9p("copies", _COPIES, options, _READ_ONLY)
    for number, (place, mode) in enumerate(message["files"]):
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(f"{_COPIES}/{number}", place)
        Path(place).chmod(mode)
    for place, target in message["links"]:
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        Path(place).symlink_to(target)
    os.environ.clear()
    os.environ.update(message["environment"])


def _make(place: str, shown: Sequence[str]) -> None:
    if any(place.startswith(f"{other}/") for other in shown):
        # It cannot be made in a directory that is read-only.
        _mount("tmpfs", str(Path(place).parent), "tmpfs", data="mode=755")
    Path(place).mkdir(parents=True, exist_ok=True)


def _load_from(directory: str) -> None:
    """Have the kernel load what it wants from another directory's ``lib/modules``."""
    _MODPROBE.write_text(f'#!/bin/sh\nexec modprobe -d {directory} "$@"\n')
    _MODPROBE.chmod(0o755)
    with suppress(OSError):  # a kernel that loads no modules by itself
        Path("/proc/sys/kernel/modprobe").write_text(str(_MODPROBE))


def _keep_mapped(shown: Sequence[str]) -> None:
    """Have each library that this process works with stay at its path.

    A probe of a function in it is attached to the file that has this path.  The file that is
    mapped here, and in all that is forked from here, is the one in memory.
    """
    lines = Path("/proc/self/maps").read_text().splitlines()
    mapped = {line.split(maxsplit=5)[5] for line in lines if line.count("/")}
    for path in sorted(mapped):
        if any(path.startswith(f"{place}/") for place in shown):
            _mount(f"{_MEMORY}{path}", path, flags=_BIND)


def _mount_9p(tag: str, place: str, options: str, flags: int = 0) -> None:
    _mount(tag, place, "9p", flags | _NO_SETUID | _NO_DEVICES, options)


def _mount(source: str, place: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    if not os.path.lexists(place):
        Path(place).mkdir(parents=True)
    words = (source.encode(), place.encode(), kind.encode())
    if ctypes.CDLL(None, use_errno=True).mount(*words, ctypes.c_ulong(flags), data.encode()) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"cannot mount {source}: {os.strerror(code)}", place)
