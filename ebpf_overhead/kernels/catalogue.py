"""The kernels that are here: find one, or list them all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ebpf_overhead.errors import BadUseError, FailedError, OverheadError, closest
from ebpf_overhead.kernels import kconfig, store
from ebpf_overhead.kernels.layout import Layout, default_layout
from ebpf_overhead.kernels.record import KernelRecord, from_json
from ebpf_overhead.printable import shortened
from ebpf_overhead.reading import read_bytes, read_text
from ebpf_overhead.trust import refuse_foreign

# So many kernels are named where none is like the one asked for.
_FEW = 3


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
    origin : Origin
        Where the kernel came from.
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
    origin: store.Origin

    @property
    def states(self) -> Path:
        """Where states of guests that were booted on it are kept, beside the catalogue."""
        return self.directory.parent.with_name("states") / self.release

    @property
    def userlands(self) -> Path:
        """Where the programs of guests of other architectures are, beside the catalogue."""
        return self.directory.parent.with_name("userlands")

    def config_text(self) -> str | None:
        """Return the build configuration's text, where known."""
        return read_text(self.config, limit_bytes=kconfig.LARGEST_BYTES) if self.config else None


def installed(layout: Layout | None = None) -> list[Kernel]:
    """Return the kernels that are here and usable, oldest version first; see `damaged`."""
    return _usable(_entries(layout or default_layout()))


def damaged(layout: Layout | None = None) -> dict[str, OverheadError]:
    """Return what else lies in the catalogue, by name, and why it cannot be used."""
    found = _entries(layout or default_layout())
    return {name: entry for name, entry in found.items() if isinstance(entry, OverheadError)}


def find(wanted: str, layout: Layout | None = None) -> Kernel:
    """Return a kernel that is here.

    Parameters
    ----------
    wanted : str
        A release (``6.12.117+deb13-amd64``), a version or a series (``6.12``: the newest
        of it for this machine's architecture, ``6.12-arm64``: for another), or ``running``.
    layout : Layout, optional
        Where the catalogue is; the user's own by default.

    Raises
    ------
    BadUseError
        When there is none, with those that are there.
    FailedError
        When it is damaged.
    """
    entries = _entries(layout or default_layout())
    if isinstance(broken := entries.get(wanted), OverheadError):
        raise broken
    present = _usable(entries)
    for kernel in present:
        if kernel.release == wanted or (wanted == "running" and kernel.source == "running"):
            return kernel
    for kernel in reversed(present):
        if kernel.record.is_called(wanted) and kernel.source != "running":
            return kernel
    raise BadUseError(
        f"no kernel {shortened(wanted)!r} is here{_like(wanted, present)}",
        f"ebpf-overhead kernels add {shortened(wanted)}",
    )


def _like(wanted: str, present: list[Kernel]) -> str:
    releases = [kernel.release for kernel in present]
    if found := closest(wanted, releases) or releases[-_FEW:]:
        return f", but {', '.join(found)}" + (" and others" * (len(found) < len(releases)))
    return ""


def _entries(layout: Layout) -> dict[str, Kernel | OverheadError]:
    """Return every entry of the catalogue; one that is damaged does no harm to the others."""
    found: dict[str, Kernel | OverheadError] = {}
    for name in sorted(store.releases(layout.kernels)):
        try:
            found[name] = _load(layout.kernels / name)
        except OverheadError as error:
            found[name] = error
    return found


def _usable(entries: Mapping[str, Kernel | OverheadError]) -> list[Kernel]:
    kernels = [entry for entry in entries.values() if isinstance(entry, Kernel)]
    return sorted(kernels, key=lambda kernel: kernel.record.order)


def _load(directory: Path) -> Kernel:
    refuse_foreign(directory)
    path = directory / store.RECORD
    remedy = f"ebpf-overhead kernels remove {directory.name}"
    record = from_json(read_bytes(path, remedy=remedy), str(path))
    if record.release != directory.name:
        raise FailedError(f"{path} is of {record.release}", remedy)
    kernel = Kernel(
        release=record.release,
        arch=record.arch,
        image=_existing(directory / store.IMAGE),
        modules=directory if store.module_folder(directory, record.release).is_dir() else None,
        config=_existing(directory / store.CONFIG),
        source=record.source,
        record=record,
        directory=directory,
        origin=store.read_origin(directory),
    )
    kernel.config_text()
    return kernel


def _existing(path: Path) -> Path | None:
    return path if path.is_file() else None
