"""Which of a kernel's modules a guest must load to reach its root file system, in order."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from ebpf_overhead.errors import FailedError, UnsupportedError
from ebpf_overhead.kernels.modules import LARGEST_MODULE_BYTES, MODULE_SUFFIXES
from ebpf_overhead.kernels.unpacking import unpack
from ebpf_overhead.reading import read_bytes, read_text

_SIGNATURES_OPTIONAL = "# CONFIG_MODULE_SIG_FORCE is not set"
_SIGNED = b"~Module signature appended~\n"
_SIGNATURE_HEADER_BYTES = 12

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
    path : Path
        The file that it was packed in.
    """

    name: str
    content: bytes
    path: Path


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


def needed_modules(tree: Path | None, config: str | None = None) -> list[Module]:
    """Return the modules that a guest loads, each after those it depends on.

    Parameters
    ----------
    tree : Path or None
        From `module_tree`.
    config : str, optional
        The kernel's build configuration.  Signatures are left out where it says that they are
        not needed: checking them takes a fifth of an emulated boot.

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
    if config is None or _SIGNATURES_OPTIONAL not in config:
        return list(loaded.values())
    return [replace(module, content=_unsigned(module.content)) for module in loaded.values()]


def _unsigned(content: bytes) -> bytes:
    # scripts/sign-file.c: the module, the signature, struct module_signature, the magic string.
    # The structure's last field is the signature's length.
    if not content.endswith(_SIGNED):
        return content
    end = len(content) - len(_SIGNED)
    length_bytes = int.from_bytes(content[end - 4 : end], "big")
    return content[: end - _SIGNATURE_HEADER_BYTES - length_bytes]


def _index(directory: Path) -> dict[str, Path]:
    found = {}
    for folder, _, names in os.walk(directory):
        for name in names:
            stem, dot_ko, packing = name.partition(".ko")
            if dot_ko and packing in MODULE_SUFFIXES:
                found[stem.replace("-", "_")] = Path(folder, name)
    return found


def _check_9p(tree: Path, paths: dict[str, Path]) -> None:
    builtin = tree / "modules.builtin"
    if "9p" in paths or not builtin.is_file():
        return
    if not any(Path(line).name == "9p.ko" for line in read_text(builtin).split()):
        raise UnsupportedError(
            f"kernel {tree.name} has no 9p file system, through which guests see the host's files",
            "take the full flavour of the kernel, not the one for clouds",
        )


def _add(name: str, paths: dict[str, Path], loaded: dict[str, Module]) -> None:
    if name in loaded or name not in paths:
        return
    path = paths.pop(name)  # Not twice, also where modules need each other.
    content = _unpacked(path)
    for dependency in _dependencies(content):
        _add(dependency, paths, loaded)
    loaded[name] = Module(name, content, path)


def _dependencies(content: bytes) -> list[str]:
    # The section .modinfo holds NUL-separated key=value; modules.dep says the same, but
    # Debian's packages come without it.
    names = content.partition(b"\0depends=")[2].partition(b"\0")[0].decode("ascii", "replace")
    return [name.replace("-", "_") for name in names.split(",") if name]


def _unpacked(path: Path) -> bytes:
    content = unpack(read_bytes(path), f"module {path}", LARGEST_MODULE_BYTES)
    if not content.startswith(b"\x7fELF") or b"\0depends=" not in content:
        raise FailedError(f"{path} is no kernel module", "add the kernel again")
    return content
