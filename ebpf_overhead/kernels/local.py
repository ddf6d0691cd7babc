"""Kernels without a package: an image with its modules, a built tree, the running kernel."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ebpf_overhead.errors import BadUseError, FailedError
from ebpf_overhead.kernels import kconfig, store
from ebpf_overhead.kernels.image import Banner, read_banner
from ebpf_overhead.kernels.unpacking import unpack
from ebpf_overhead.reading import read_bytes
from ebpf_overhead.trust import refuse_foreign

# Where `make` leaves the bootable image, by architecture.
_BUILT_IMAGES = (
    "arch/x86/boot/bzImage",
    "arch/arm64/boot/vmlinuz.efi",
    "arch/arm64/boot/Image.gz",
    "arch/arm64/boot/Image",
)


@dataclass(frozen=True)
class LocalKernel:
    """A kernel given as files.

    Parameters
    ----------
    banner : Banner
        What it says about itself.
    image : Path
        The bootable image.
    config : Path or None
        Its build configuration.
    modules : Path or None
        A ``lib/modules/<release>`` folder; None if they come from `tree`, or there are none.
    tree : Path or None
        The build tree.
    """

    banner: Banner
    image: Path
    config: Path | None
    modules: Path | None
    tree: Path | None = None


def type_of(path: Path) -> int:
    """Return the type bits of a file's mode; 0 if there is none, or its name is too long."""
    try:
        return stat.S_IFMT(path.stat().st_mode)
    except (OSError, ValueError):
        return 0


def from_files(image: Path, modules: Path | None, config: Path | None) -> LocalKernel:
    """Describe an image with its modules.

    Parameters
    ----------
    image : Path
        The bootable image.
    modules : Path or None
        The modules: ``lib/modules/<release>`` or a directory that holds one.
    config : Path or None
        The build configuration; by default, it is searched beside the image and the modules.

    Raises
    ------
    BadUseError
        When the modules are of another kernel.
    """
    banner = read_banner(image)
    folder = _module_folder(modules, banner.release) if modules else None
    beside = [image.with_name(f"config-{banner.release}"), image.with_name("config")]
    inside = [folder / "config", folder / "build" / ".config"] if folder else []
    found = config or next((path for path in (*beside, *inside) if path.is_file()), None)
    return LocalKernel(banner, image, found, folder)


def from_tree(tree: Path) -> LocalKernel:
    """Describe a built kernel tree (or the output directory of ``make O=``).

    Raises
    ------
    BadUseError
        When nothing was built in it.
    """
    image = next((tree / name for name in _BUILT_IMAGES if (tree / name).is_file()), None)
    if image is None or not (tree / ".config").is_file():
        raise BadUseError(
            f"{tree} is not a built kernel tree: it has no bootable image or no .config",
            "run make there first",
        )
    return LocalKernel(read_banner(image), image, tree / ".config", None, tree)


def running() -> tuple[Banner, str | None]:
    """Return what the running kernel is, and its configuration's text where that is known."""
    machine = os.uname()
    banner = Banner(machine.release, machine.version, machine.machine)
    proc = Path("/proc/config.gz")
    if proc.is_file():
        return banner, unpack(read_bytes(proc), str(proc), kconfig.LARGEST_BYTES).decode()
    places = (f"/boot/config-{machine.release}", f"/lib/modules/{machine.release}/config")
    found = next((Path(place) for place in places if os.access(place, os.R_OK)), None)
    return banner, kconfig.read(found) if found else None


def copy_into(kernel: LocalKernel, staged: Path) -> None:
    """Put a kernel's files into a staging directory.

    Raises
    ------
    BadUseError
        When the configuration is none, or the tree is another user's.
    FailedError
        When the tree's modules cannot be installed, or are too large.
    """
    shutil.copyfile(kernel.image, staged / store.IMAGE)
    if kernel.config:
        (staged / store.CONFIG).write_text(kconfig.read(kernel.config))
    if kernel.modules:
        target = store.module_folder(staged, kernel.banner.release)
        _refuse_large(kernel.modules)
        shutil.copytree(kernel.modules, target, ignore=_no_plain_files)
    elif kernel.tree and _has_modules(kernel.tree):
        _install_modules(kernel.tree, staged)


def _module_folder(modules: Path, release: str) -> Path:
    for folder in (modules, store.module_folder(modules, release), modules / release):
        if folder.name == release and folder.is_dir():
            return folder
    raise BadUseError(
        f"{modules} does not hold the modules of {release}, the release of the image",
        f"give the folder lib/modules/{release}",
    )


def _refuse_large(modules: Path) -> None:
    sizes = (path.lstat().st_size for path in modules.rglob("*"))
    if (total := sum(sizes)) > store.LARGEST_BYTES:
        raise FailedError(
            f"{modules} holds {total:,} bytes, more than {store.LARGEST_BYTES:,}",
            "install the modules with INSTALL_MOD_STRIP=1",
        )


def _no_plain_files(directory: str, names: list[str]) -> list[str]:
    # Links lead into the build tree; they would copy gigabytes of sources.
    modes = {name: Path(directory, name).lstat().st_mode for name in names}
    return [name for name, mode in modes.items() if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))]


def _has_modules(tree: Path) -> bool:
    return kconfig.options(kconfig.read(tree / ".config")).get("CONFIG_MODULES") == "y"


def _install_modules(tree: Path, staged: Path) -> None:
    refuse_foreign(tree / "Makefile")  # It is executed.
    # The tree's own make strips before it signs; doing it here would lose the signatures.
    config = kconfig.read(tree / ".config")
    arch = re.search(r"^# Linux/(x86|arm64) ", config, re.MULTILINE)
    command = ["make", "-s", "-C", str(tree), "modules_install", "DEPMOD=true"]
    command += [f"INSTALL_MOD_PATH={staged}", "INSTALL_MOD_STRIP=1"]
    if arch:  # Other architectures and CROSS_COMPILE come from the environment, as in the build.
        command.append(f"ARCH={arch[1]}")
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise FailedError("make is not installed", "apt-get install make") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise FailedError(
            f"{tree}: make modules_install: {lines[-1] if lines else done.returncode}",
            "run make modules there first",
        )
    for link in [path for path in staged.rglob("*") if path.is_symlink()]:
        link.unlink()
