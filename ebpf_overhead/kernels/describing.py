"""Makes the record of a kernel from its files."""

from __future__ import annotations

from pathlib import Path

from ebpf_overhead.kernels import kconfig, store
from ebpf_overhead.kernels.image import Banner, build_time
from ebpf_overhead.kernels.record import KernelRecord


def describe(banner: Banner, source: str, staged: Path) -> KernelRecord:
    """Describe a staged kernel.

    Parameters
    ----------
    banner : Banner
        What the image says about itself.
    source : str
        One of `record.SOURCES`.
    staged : Path
        Holds the image, and the configuration and modules if there are any.

    Returns
    -------
    KernelRecord
        Its version is the release; the caller replaces it by that of the package.

    Raises
    ------
    BadUseError
        When the configuration is none.
    """
    sums = {
        name: store.file_sha256(staged / name)
        for name in (store.IMAGE, store.CONFIG)
        if (staged / name).is_file()
    }
    folder = store.module_folder(staged, banner.release)
    # Not for a tree: each installation signs the modules again, with other bytes.
    if source == "files" and folder.is_dir():
        sums["modules"] = store.tree_sha256(folder)
    config = kconfig.read(staged / store.CONFIG) if store.CONFIG in sums else None
    return KernelRecord(
        release=banner.release,
        version=banner.release,
        arch=banner.arch,
        build=banner.build,
        built_at_s=build_time(banner.build),
        source=source,
        sha256=sums,
        config_digest=kconfig.digest(config) if config is not None else None,
        features=kconfig.features(config) if config is not None else {},
    )
