"""Which of a kernel's modules a guest must load to reach its root file system, in order."""

from __future__ import annotations

import gzip
import lzma
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ebpf_overhead import zstd
from ebpf_overhead.errors import FailedError, UnsupportedError

# A name that is no module here is built into the kernel.
WANTED = ("virtio_pci", "virtio_console", "9pnet_virtio", "9p")


@dataclass(frozen=True)
class Module:
    """A kernel module, unpacked.

    Parameters
    ----------
    name : str
        As the kernel spells it, with underscores.
    content : bytes
        The ``.ko`` file.
    """

    name: str
    content: bytes


def module_tree(modules: Path | None, release: str) -> Path | None:
    """Return the directory of one release's modules, ``…/lib/modules/<release>``.

    Parameters
    ----------
    modules : Path or None
        A directory that has ``lib/modules/<release>``, or that directory itself.
    release : str
        The kernel's release.

    Returns
    -------
    Path or None
        None for a kernel without modules.
    """
    if modules is None:
        return None
    for below in (f"lib/modules/{release}", f"usr/lib/modules/{release}", "."):
        tree = modules / below
        if (tree / "kernel").is_dir():
            return tree
    return None


def needed_modules(tree: Path | None) -> list[Module]:
    """Return the modules that a guest loads, each after those it depends on.

    Parameters
    ----------
    tree : Path or None
        From `module_tree`.

    Raises
    ------
    UnsupportedError
        When the kernel is known to have no 9p, neither built in nor as a module.
    """
    if tree is None:
        return []
    paths = _index(tree / "kernel")
    _check_9p(tree, paths)
    loaded: dict[str, Module] = {}
    for name in WANTED:
        _add(name, paths, loaded)
    return list(loaded.values())


def _index(directory: Path) -> dict[str, Path]:
    found = {}
    for folder, _, names in os.walk(directory):
        for name in names:
            stem, dot_ko, packing = name.partition(".ko")
            if dot_ko and packing in _UNPACK:
                found[stem.replace("-", "_")] = Path(folder, name)
    return found


def _check_9p(tree: Path, paths: dict[str, Path]) -> None:
    builtin = tree / "modules.builtin"
    if "9p" in paths or not builtin.is_file():
        return
    if not any(Path(line).name == "9p.ko" for line in builtin.read_text().split()):
        raise UnsupportedError(
            f"kernel {tree.name} has no 9p file system, through which guests see the host's files",
            "take the full flavour of the kernel, not the one for clouds",
        )


def _add(name: str, paths: dict[str, Path], loaded: dict[str, Module]) -> None:
    if name in loaded or name not in paths:
        return
    content = _unpacked(paths[name])
    for dependency in _dependencies(content):
        _add(dependency, paths, loaded)
    loaded[name] = Module(name, content)


def _dependencies(content: bytes) -> list[str]:
    # The section .modinfo holds NUL-separated key=value; modules.dep says the same, but
    # Debian's packages come without it.
    start = content.find(b"\0depends=") + len(b"\0depends=")
    names = content[start : content.index(b"\0", start)].decode()
    return [name.replace("-", "_") for name in names.split(",") if name]


def _unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    packing = path.name.partition(".ko")[2]
    try:
        content = _UNPACK[packing](content)
    except (OSError, EOFError, lzma.LZMAError, FailedError) as error:
        raise FailedError(f"module {path} is damaged: {error}", "add the kernel again") from None
    if not content.startswith(b"\x7fELF") or b"\0depends=" not in content:
        raise FailedError(f"{path} is no kernel module", "add the kernel again")
    return content


_UNPACK: dict[str, Callable[[bytes], bytes]] = {
    "": lambda content: content,
    ".gz": gzip.decompress,
    ".xz": lzma.decompress,
    ".zst": lambda content: zstd.unpack(content, "a kernel module"),
}
