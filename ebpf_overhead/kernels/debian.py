"""The kernels that a Debian mirror offers, and the packages that each consists of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from ebpf_overhead.errors import BadUseError
from ebpf_overhead.kernels.debfile import release_in_name
from ebpf_overhead.kernels.offers import STABLE, Offer
from ebpf_overhead.kernels.versions import is_of, series, version_key

# Stands for the newest kernel of Debian's stable release.
STABLE_KERNEL = "stable"
# Stands for the newest kernel that the mirror offers.
NEWEST_KERNEL = "newest"
ALIASES = (STABLE_KERNEL, NEWEST_KERNEL)


@dataclass(frozen=True)
class OfferedKernel:
    """A kernel a mirror offers.

    Parameters
    ----------
    release, version, suite : str
        Release, package version and the suite that has it.
    packages : tuple of Offer
        What to download.
    delisted : tuple of Offer
        Packages that belong to it but that no signed list names any more.  Backports
        list an old kernel's image for longer than its modules.
    """

    release: str
    version: str
    suite: str
    packages: tuple[Offer, ...]
    delisted: tuple[Offer, ...] = ()

    @property
    def series(self) -> str:
        """The series, ``6.12``."""
        return series(self.version)

    @property
    def size_bytes(self) -> int:
        """Bytes to download, without delisted packages: their size is not known."""
        return sum(package.size_bytes for package in self.packages)


def kernels(offers: Iterable[Offer], arch: str, flavour: str = "") -> list[OfferedKernel]:
    """Group packages into kernels.

    Parameters
    ----------
    offers : iterable of Offer
        From `offers.read_offers`.
    arch : str
        Debian architecture, the last part of a release.
    flavour : str
        ``cloud``, ``rt``, …; empty: the ordinary one.

    Returns
    -------
    list of OfferedKernel
        In version order, one per release.
    """
    newest: dict[str, Offer] = {}
    for offer in offers:
        known = newest.get(offer.name)
        if known is None or version_key(known.version) < version_key(offer.version):
            newest[offer.name] = offer
    found: dict[str, OfferedKernel | None] = {}
    for offer in newest.values():
        release = release_in_name(offer.name)
        ordinary = "unsigned" not in offer.name.split("-")
        if release and ordinary and flavour_of(release, arch) == flavour:
            found.setdefault(release, _assemble(release, newest))
    present = [kernel for kernel in found.values() if kernel]
    return sorted(present, key=lambda k: (version_key(k.version), version_key(k.release)))


def flavour_of(release: str, arch: str) -> str | None:
    """Return a Debian release's flavour: ``cloud``, ``rt``, or empty for the ordinary one.

    None when the release is of another architecture.
    """
    if not release.endswith(f"-{arch}"):
        return None
    last = release.removesuffix(f"-{arch}").rpartition("-")[2]
    return last if last.isalpha() else ""


def as_json(kernel: OfferedKernel) -> dict[str, Any]:
    """Return a kernel as `available --json` prints it."""
    return {**asdict(kernel), "series": kernel.series, "size_bytes": kernel.size_bytes}


def choose(offered: Iterable[OfferedKernel], wanted: str, delisted: bool) -> OfferedKernel:
    """Return the kernel the user means.

    Parameters
    ----------
    offered : iterable of OfferedKernel
        In version order.
    wanted : str
        A release, a version, a series (the newest of it), ``stable`` or ``newest``.
    delisted : bool
        Accept a kernel with delisted packages if there is no other.

    Raises
    ------
    BadUseError
        When the mirror has none.
    """
    everything = list(offered)
    matching = _matching(everything, wanted)
    complete = [kernel for kernel in matching if not kernel.delisted]
    if complete:
        return complete[-1]
    if matching and delisted:
        return matching[-1]
    if matching:
        names = " and ".join(package.name for package in matching[-1].delisted)
        raise BadUseError(
            f"kernel {matching[-1].release}: the mirror's signed lists no longer name {names}",
            "--delisted downloads them without a list and checks each module's "
            "signature against the key inside the kernel image, which is listed",
        )
    known = ", ".join(dict.fromkeys(kernel.series for kernel in everything))
    raise BadUseError(
        f"the mirror offers no kernel {wanted!r}; its series: {known}",
        "see `ebpf-overhead kernels available`, or read more lists with --suite",
    )


def _matching(offered: list[OfferedKernel], wanted: str) -> list[OfferedKernel]:
    if wanted == STABLE_KERNEL:
        return [kernel for kernel in offered if kernel.suite in STABLE]
    if wanted == NEWEST_KERNEL:
        return offered
    return [kernel for kernel in offered if wanted == kernel.release] or [
        kernel for kernel in offered if is_of(kernel.version, wanted)
    ]


def _assemble(release: str, offers: dict[str, Offer]) -> OfferedKernel | None:
    binary = offers.get(f"linux-binary-{release}")
    if binary is None:
        image = offers.get(f"linux-image-{release}")
        # A package that depends on another image only names the newest one.
        if image is None or "linux-image-" in image.depends:
            return None
        return OfferedKernel(release, image.version, image.suite, (image,))
    listed, delisted = [binary], []
    for kind in ("base", "modules"):
        other = offers.get(f"linux-{kind}-{release}")
        if other is not None and other.version == binary.version:
            listed.append(other)
        else:
            delisted.append(_delisted(f"linux-{kind}-{release}", binary))
    return OfferedKernel(release, binary.version, binary.suite, tuple(listed), tuple(delisted))


def _delisted(name: str, binary: Offer) -> Offer:
    """Return where a delisted package of the same build lies."""
    # The signed image is built from another source package, which Built-Using names.
    source = binary.built_using.split(" ")[0] or "linux"
    pool = PurePosixPath(binary.uri.split("://", 1)[-1]).parent.parent
    scheme = binary.uri.split("://", 1)[0]
    filename = binary.filename.replace(binary.name, name, 1)
    uri = f"{scheme}://{pool}/{source}/{filename}"
    return Offer(name, binary.version, "not listed", uri, size_bytes=0, sha256="")
