"""The guest's first file system: a static busybox, a few modules, and the script that runs first.

virtme-ng's library could make one, but knows no xz-packed modules and needs the same busybox;
the archive itself is a page of code.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from shlex import join, quote

from ebpf_overhead.errors import MissingToolError
from ebpf_overhead.guest import elf, ninep
from ebpf_overhead.guest.command import ROOT_TAG, SHARE_TAG
from ebpf_overhead.guest.cpio import Archive
from ebpf_overhead.guest.layout import Layout
from ebpf_overhead.guest.modules import Module

# Where PID 1 finds its configuration.
CONFIGURATION = "/run/guest.json"

_BUSYBOX = ("busybox", "/bin/busybox", "/usr/bin/busybox", "/bin/busybox.static")
_APPLETS = (
    *("sh", "cp", "ifconfig", "insmod", "ln", "mkdir"),
    *("mount", "reboot", "switch_root", "touch"),
)

# Of scratch directories that are not everybody's.
_MODES = {"/root": "0700", "/run": "0755"}

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
    release: str,
    modules: Sequence[Module],
    layout: Layout,
    share: Path,
    init: Sequence[str],
    configuration: bytes,
    module_tree: Path | None = None,
) -> bytes:
    """Return the archive.

    Parameters
    ----------
    release : str
        The kernel's release.
    modules : sequence of Module
        Loaded in this order.
    layout : Layout
        What is mounted over the root.
    share : Path
        The writable directory; mounted at the same place as on the host.
    init : sequence of str
        The command that becomes PID 1, with paths of the host.
    configuration : bytes
        Put into the guest's `CONFIGURATION`.
    module_tree : Path, optional
        The kernel's modules, shown as ``/lib/modules/<release>`` for ``modprobe``.

    Raises
    ------
    MissingToolError
        When there is no static busybox.
    """
    archive = Archive()
    for directory in ("bin", "dev", "keep", "modules", "root"):
        archive.directory(directory)
    archive.character_device("dev/console", 5, 1)
    archive.file("bin/busybox", _busybox(), executable=True)
    for applet in _APPLETS:
        archive.symlink(f"bin/{applet}", "busybox")
    for module in modules:
        archive.file(f"modules/{module.name}.ko", module.content)
    archive.file("guest.json", configuration)
    text = script(release, [module.name for module in modules], layout, share, init, module_tree)
    archive.file("init", text.encode(), executable=True)
    return archive.finish()


def script(
    release: str,
    modules: Sequence[str],
    layout: Layout,
    share: Path,
    init: Sequence[str],
    module_tree: Path | None = None,
) -> str:
    """Return the shell script that reaches the root file system and starts PID 1 in it.

    The parameters are those of `build`, modules by name.
    """
    options = ninep.mount_options(release)
    lines = [
        "#!/bin/busybox sh",
        "export PATH=/bin",
        'must() { "$@" || { echo "guest: failed: $*"; reboot -f; }; }',
        *(f"must insmod /modules/{name}.ko" for name in modules),
        # cache=loose keeps what was read once, right because nothing changes the host's files
        # from inside; what the host changes meanwhile may not be seen.
        f"must mount -t 9p -o ro,cache=loose,{options} {ROOT_TAG} /root",
        *map(_kernel_mount, _KERNEL_FILE_SYSTEMS),
        *_readahead(ninep.readahead_kib(release)),
        *_scratch(layout),
        f"must cp /guest.json /root{CONFIGURATION}",
        *_modules(module_tree),
        *_share(share, options),
        # For the target that sends; a kernel without a network may lack it.
        "ifconfig lo up 2>/dev/null",
        f"exec switch_root /root {join(init)}",
        "must false # switch_root has said why",
    ]
    return "\n".join(lines) + "\n"


def _kernel_mount(entry: tuple[str, str, bool]) -> str:
    kind, place, needed = entry
    if needed:
        return f"must mount -t {kind} {kind} /root{place}"
    return f"mkdir -p /root{place} 2>/dev/null; mount -t {kind} {kind} /root{place} 2>/dev/null"


def _readahead(kib: int | None) -> list[str]:
    if kib is None:
        return []
    # The share comes later and is not cached.
    return [f"for bdi in /root/sys/class/bdi/9p-*; do echo {kib} > $bdi/read_ahead_kb; done"]


def _scratch(layout: Layout) -> list[str]:
    kept = {path: f"/keep/{index}" for index, path in enumerate(layout.shown)}
    lines = []
    for path, keep in kept.items():
        lines += [_same_kind(path, keep), f"must mount -o bind {quote('/root' + path)} {keep}"]
    for place in layout.scratch:
        mode = _MODES.get(place, "1777")
        lines.append(f"must mount -t tmpfs -o mode={mode} tmpfs {quote('/root' + place)}")
    for path, keep in kept.items():
        place = "/root" + path
        lines += [_parents(place), _same_kind(path, place)]
        lines.append(f"must mount -o bind {keep} {quote(place)}")
    for path, target in layout.links:
        place = "/root" + path
        lines += [_parents(place), f"must ln -s {quote(target)} {quote(place)}"]
    return lines


def _parents(place: str) -> str:
    return f"must mkdir -p {quote(str(Path(place).parent))}"


def _same_kind(path: str, place: str) -> str:
    # A directory is mounted on a directory, a file on a file.
    make = "mkdir -p" if Path(path).is_dir() else "touch"
    return f"must {make} {quote(place)}"


def _modules(tree: Path | None) -> list[str]:
    # What the host has in /lib/modules is of no use to another kernel.
    host = Path("/lib/modules").resolve()
    if tree is None or not host.is_dir():
        return []
    place = quote(f"/root{host}/{tree.name}")
    return [
        "mkdir /keep/modules",
        f"must mount -o bind {quote('/root' + str(tree.resolve()))} /keep/modules",
        f"must mount -t tmpfs -o mode=755 tmpfs {quote('/root' + str(host))}",
        f"must mkdir {place}",
        f"must mount -o bind /keep/modules {place}",
    ]


def _share(share: Path, options: str) -> list[str]:
    place = quote("/root" + str(share))
    # cache=none: host and guest see each other's writes at once.
    mount = f"must mount -t 9p -o rw,cache=none,{options} {SHARE_TAG} {place}"
    return [f"[ -d {place} ] || must mkdir -p {place}", mount]


def _busybox() -> bytes:
    for name in _BUSYBOX:
        path = shutil.which(name)
        if path and elf.is_static(content := Path(path).read_bytes()):
            return content
    raise MissingToolError(
        "no static busybox is installed, which guests start from",
        "apt-get install busybox-static (Debian, Ubuntu), dnf install busybox (Fedora)",
    )
