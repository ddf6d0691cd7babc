"""The kernels that are here: find one, or list them all."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ebpf_overhead.errors import BadUseError, FailedError
from ebpf_overhead.kernels import store
from ebpf_overhead.kernels.layout import Layout, default_layout
from ebpf_overhead.kernels.record import KernelRecord, from_json
from ebpf_overhead.kernels.versions import is_of


@dataclass(frozen=True)
class Kernel:
    """A kernel of the catalogue.

    Parameters
    ----------
    release : str
        As ``uname -r`` prints it.
    arch : str
        As ``uname -m`` prints it.
    image : Path or None
        The bootable image; None for the running kernel.
    modules : Path or None
        The directory that holds ``lib/modules/<release>`` (a ``depmod -b`` base); None
        when the kernel has no modules, and for the running kernel.
    config : Path or None
        The build configuration, where known.
    source : str
        ``debian``, ``files``, ``tree`` or ``running``.
    record : KernelRecord
        Everything `kernel.json` says.
    directory : Path
        The kernel's directory in the catalogue.
    """

    release: str
    arch: str
    image: Path | None
    modules: Path | None
    config: Path | None
    source: str
    record: KernelRecord = field(hash=False)  # It holds dictionaries.
    directory: Path

    def config_text(self) -> str | None:
        """Return the build configuration's text, where known."""
        return self.config.read_text() if self.config else None


def installed(layout: Layout | None = None) -> list[Kernel]:
    """Return the kernels that are here, oldest version first.

    Raises
    ------
    FailedError
        When an entry is damaged.
    """
    place = (layout or default_layout()).kernels
    kernels = [_load(place / release) for release in store.releases(place)]
    return sorted(kernels, key=lambda kernel: kernel.record.order)


def find(wanted: str, layout: Layout | None = None) -> Kernel:
    """Return a kernel that is here.

    Parameters
    ----------
    wanted : str
        A release (``6.12.117+deb13-amd64``), a version or a series (``6.12``: the newest
        of it), or ``running``.
    layout : Layout, optional
        Where the catalogue is; the user's own by default.

    Raises
    ------
    BadUseError
        When there is none, with those that are there.
    """
    present = installed(layout)
    for kernel in present:
        if kernel.release == wanted or (wanted == "running" and kernel.source == "running"):
            return kernel
    for kernel in reversed(present):
        if is_of(kernel.record.version, wanted) and kernel.source != "running":
            return kernel
    known = ", ".join(kernel.release for kernel in present) or "none"
    raise BadUseError(
        f"no kernel {wanted!r} here; known: {known}", f"ebpf-overhead kernels add {wanted}"
    )


def _load(directory: Path) -> Kernel:
    path = directory / store.RECORD
    try:
        record = from_json(path.read_text(), str(path))
    except OSError as error:
        raise FailedError(
            f"{directory} is no kernel: {error.strerror}: {path.name}", "remove the directory"
        ) from None
    return Kernel(
        release=record.release,
        arch=record.arch,
        image=_existing(directory / store.IMAGE),
        modules=directory if store.module_folder(directory, record.release).is_dir() else None,
        config=_existing(directory / store.CONFIG),
        source=record.source,
        record=record,
        directory=directory,
    )


def _existing(path: Path) -> Path | None:
    return path if path.is_file() else None
