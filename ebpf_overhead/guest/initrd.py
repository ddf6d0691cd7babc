"""The guest's root: a memory file system that the kernel unpacks, and the script that runs first.

It holds a static busybox, a few modules, a few files of the host, and all that the warm
interpreter works with.  virtme-ng's library could make one, but knows no xz-packed modules and
needs the same busybox; the archive itself is a page of code.
"""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from shlex import join

from ebpf_overhead.errors import MissingToolError
from ebpf_overhead.guest import elf
from ebpf_overhead.guest.cpio import Archive
from ebpf_overhead.guest.modules import Module
from ebpf_overhead.guest.view import View
from ebpf_overhead.trust import steps

# What the first script needs; no directory of the host has this name.
_OWN = "/.guest"
# Where compiled modules are that are not beside the others.
EXTENSIONS = f"{_OWN}/extensions"
# Where PID 1 finds its configuration.
CONFIGURATION = f"{_OWN}/guest.json"

_BUSYBOX = ("busybox", "/bin/busybox", "/usr/bin/busybox", "/bin/busybox.static")
_APPLETS = ("sh", "ifconfig", "insmod", "mkdir", "mount", "reboot")

# The guest's own directories, empty and writable.
OWN_DIRECTORIES = {
    **{"/dev": 0o755, "/etc": 0o755, "/proc": 0o755, "/run": 0o755, "/sys": 0o755, "/var": 0o755},
    **{"/root": 0o700, "/tmp": 0o1777, "/var/tmp": 0o1777},
}
# What a running system has mounted.  The last column: fail without it?
_KERNEL_FILE_SYSTEMS = (
    ("proc", "/proc", True),
    ("sysfs", "/sys", True),
    ("devtmpfs", "/dev", True),
    ("devpts", "/dev/pts", False),
    ("tmpfs", "/dev/shm", False),
    ("debugfs", "/sys/kernel/debug", False),
    ("tracefs", "/sys/kernel/tracing", False),
    ("bpf", "/sys/fs/bpf", False),
    ("cgroup2", "/sys/fs/cgroup", False),
)


def build(
    modules: Sequence[Module],
    seen: View,
    loaded: Iterable[str],
    init: Sequence[str],
    configuration: bytes,
    static: Path | None = None,
    system: Iterable[tuple[str, Path]] = (),
) -> bytes:
    """Return the archive.

    Parameters
    ----------
    modules : sequence of Module
        Loaded in this order.
    seen : View
        What every guest sees of the host; its files and links are made here.
    loaded : iterable of str
        Files of the host that the interpreter works with, under each name that it uses.
    init : sequence of str
        The command that becomes PID 1, with paths of the host.
    configuration : bytes
        Put into the guest's `CONFIGURATION`.
    static : Path, optional
        A static busybox; the host's by default.
    system : iterable of (str, Path), optional
        Place and file of each file of a system that the guest has in memory.

    Raises
    ------
    MissingToolError
        When there is no static busybox.
    """
    tree = _Tree()
    for place, mode in OWN_DIRECTORIES.items():
        tree.directory(place, mode)
    tree.directory(f"{_OWN}/modules")
    tree.archive.character_device("dev/console", 5, 1)
    tree.file(f"{_OWN}/busybox", (static or busybox()).read_bytes(), 0o755)
    for applet in _APPLETS:
        tree.symlink(f"{_OWN}/{applet}", "busybox")
    for module in modules:
        tree.file(f"{_OWN}/modules/{module.name}.ko", module.content)
    tree.file(CONFIGURATION, configuration)
    for place, target in seen.links:
        tree.symlink(place, target)
    for name in (*seen.files, *loaded):
        tree.host_file(Path(name))
    has_system = False
    for place, path in system:
        tree.copy(place, path)
        has_system = True
    names = [module.name for module in modules]
    tree.file("/init", script(names, init, has_system).encode(), 0o755)
    return tree.archive.finish()


class _Tree:
    """An archive in which the directories above an entry come by themselves, and nothing twice."""

    def __init__(self) -> None:
        self.archive = Archive()
        self._made = {"/"}

    def directory(self, place: str, mode: int = 0o755) -> None:
        if self._is_new(place):
            self.archive.directory(place.lstrip("/"), mode)

    def file(self, place: str, content: bytes, mode: int = 0o644, mtime_s: int = 0) -> None:
        if self._is_new(place):
            self.archive.file(place.lstrip("/"), content, mode, mtime_s)

    def symlink(self, place: str, target: str) -> None:
        if self._is_new(place):
            self.archive.symlink(place.lstrip("/"), target)

    def host_file(self, path: Path) -> None:
        """Add a file of the host, with every link on the way to it."""
        for place, status, last in steps(path):
            if stat.S_ISLNK(status.st_mode):
                self.symlink(str(place), str(place.readlink()))
            elif last and stat.S_ISREG(status.st_mode):
                # Compiled modules are used where the source has the time that they were made for.
                self.file(
                    str(place), place.read_bytes(), status.st_mode & 0o777, int(status.st_mtime)
                )

    def copy(self, place: str, path: Path) -> None:
        """Add a file, link or directory of the host's at another place."""
        if path.is_symlink():
            self.symlink(place, str(path.readlink()))
        elif path.is_dir():
            self.directory(place)
        else:
            self.file(place, path.read_bytes(), path.stat().st_mode & 0o777)

    def _is_new(self, place: str) -> bool:
        if place in self._made:
            return False
        self.directory(str(Path(place).parent))
        self._made.add(place)
        return True


def script(modules: Sequence[str], init: Sequence[str], has_system: bool = False) -> str:
    """Return the shell script that makes the root complete and starts PID 1.

    Parameters
    ----------
    modules : sequence of str
        Names of modules, in the order in which they are loaded.
    init : sequence of str
        The command that becomes PID 1.
    has_system : bool, optional
        Whether the guest has a system of its own, which has no commands but busybox's.
    """
    lines = [
        f"#!{_OWN}/busybox sh",
        f"export PATH={_OWN}",
        'must() { "$@" || { echo "guest: failed: $*"; reboot -f; }; }',
        *(f"must insmod {_OWN}/modules/{name}.ko" for name in modules),
        *map(_kernel_mount, _KERNEL_FILE_SYSTEMS),
        # For the workload that sends; a kernel without a network may lack it.
        "ifconfig lo up 2>/dev/null",
        *([f"{_OWN}/busybox --install -s"] if has_system else []),
        f"exec {join(init)}",
    ]
    return "\n".join(lines) + "\n"


def _kernel_mount(entry: tuple[str, str, bool]) -> str:
    kind, place, needed = entry
    if needed:
        return f"must mount -t {kind} {kind} {place}"
    return f"mkdir -p {place} 2>/dev/null; mount -t {kind} {kind} {place} 2>/dev/null"


def busybox() -> Path:
    """Return the static busybox of the host.

    Raises
    ------
    MissingToolError
        When there is none.
    """
    for name in _BUSYBOX:
        path = shutil.which(name)
        if path and elf.is_static(Path(path).read_bytes()):
            return Path(path)
    raise MissingToolError(
        "no static busybox is installed, which guests start from",
        "apt-get install busybox-static (Debian, Ubuntu), dnf install busybox (Fedora)",
    )
