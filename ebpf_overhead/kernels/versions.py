"""The order of kernel versions: release candidates, Debian revisions and backports."""

from __future__ import annotations

import platform
import re
from typing import TYPE_CHECKING

from ebpf_overhead.architectures import ARCHITECTURES, Architecture, is_here
from ebpf_overhead.errors import BadUseError
from ebpf_overhead.printable import shortened

if TYPE_CHECKING:
    from debian.debian_support import NativeVersion

_UPSTREAM = re.compile(r"(?P<numbers>\d+(?:\.\d+)+)(?:[-~]rc(?P<candidate>\d+))?")
_NUMBERED = re.compile(r"\d+(\.\d+)+([-~]rc\d+)?")
# A release is a directory, a git tag and an asv argument at once.
_RELEASE = re.compile(r"\d+\.\d+[A-Za-z0-9._+-]*")
_FOREIGN = re.compile(r"[^A-Za-z0-9.+~-]")  # What no version of Debian has.
_LONGEST = 128


def version_key(version: str) -> NativeVersion:
    """Return a sort key of a kernel release or package version.

    Parameters
    ----------
    version : str
        ``6.12.107+deb13-amd64``, ``7.3~rc7-1~exp1``, ``6.17-rc3`` …

    Returns
    -------
    debian.debian_support.NativeVersion
        Compares as Debian's versions do (deb-version(7)).  A release candidate comes before
        its final release; ``6.12`` is ``6.12.0``.

    Raises
    ------
    BadUseError
        When it does not start with a kernel version.
    """
    # The one in Python: the other needs python3-apt, which differs from machine to machine.
    from debian.debian_support import NativeVersion

    match = _match(version)
    numbers = match["numbers"].split(".")
    numbers += ["0"] * (3 - len(numbers))
    candidate = f"~rc{match['candidate']}" if match["candidate"] else ""
    rest = _FOREIGN.sub("+", version[match.end() :]).rstrip("-")
    return NativeVersion(".".join(numbers) + candidate + rest)


def upstream(version: str) -> str:
    """Return the upstream part: ``6.12.117`` of ``6.12.117-1``, ``7.3-rc7`` of ``7.3~rc7-1``."""
    match = _match(version)
    candidate = f"-rc{match['candidate']}" if match["candidate"] else ""
    return match["numbers"] + candidate


def series(version: str) -> str:
    """Return the series of a version: ``6.12`` of ``6.12.117-1``."""
    return ".".join(_match(version)["numbers"].split(".")[:2])


def is_of(version: str, wanted: str) -> bool:
    """Tell whether `version` is the upstream version `wanted`, or of the series `wanted`.

    Parameters
    ----------
    version : str
        A kernel's version.
    wanted : str
        ``6.12`` (any of the series, candidates too), ``6.12.107`` or ``7.3-rc7``.
    """
    if re.fullmatch(r"\d+\.\d+", wanted):
        return series(version) == wanted
    return upstream(version) == wanted.replace("~rc", "-rc")


def is_named(release: str, version: str, arch: str, wanted: str) -> bool:
    """Tell whether a name means a kernel.

    Parameters
    ----------
    release, version, arch : str
        The kernel's; the architecture as ``uname -m`` prints it.
    wanted : str
        Its release; or a version or a series of this machine's architecture, ``6.12``, or of
        another, ``6.12-arm64``.
    """
    name, architecture = split_architecture(wanted)
    wanted_arch = platform.machine() if architecture is None else architecture.name
    return release == wanted or (arch == wanted_arch and is_of(version, name))


def split_architecture(wanted: str) -> tuple[str, Architecture | None]:
    """Return the name of a kernel without the architecture that ends it, and that architecture.

    Parameters
    ----------
    wanted : str
        ``6.12-arm64``; of ``6.12``, the architecture is None.  A release of Debian's, such as
        ``6.12.118+deb13-arm64``, is returned whole.
    """
    for each in ARCHITECTURES.values():
        if wanted.endswith(ending := f"-{each.debian}"):
            name = wanted.removesuffix(ending)
            return (name if _NUMBERED.fullmatch(name) or name.isalpha() else wanted), each
    return wanted, None


def short_name(name: str, arch: str) -> str:
    """Return what a series or version of an architecture is called here: ``6.12-arm64``."""
    known = ARCHITECTURES.get(arch)
    return name if known is None or is_here(arch) else f"{name}-{known.debian}"


def looks_like_version(text: str) -> bool:
    """Tell whether `text` could name a release or a series."""
    return len(text) <= _LONGEST and _RELEASE.fullmatch(text.replace("~rc", "-rc")) is not None


def check_release(release: str) -> str:
    """Return `release` if it can be a directory name and a git tag.

    Raises
    ------
    BadUseError
        When it cannot.
    """
    valid = _RELEASE.fullmatch(release) and ".." not in release and len(release) < 65
    if not valid or release.endswith((".", ".lock")):
        raise BadUseError(
            f"kernel release {shortened(release)!r} cannot be a directory and a git tag",
            "build the kernel with a LOCALVERSION of letters, digits and . _ + -",
        )
    return release


def package_version(release: str, version: str) -> str:
    """Return what a packaged kernel is ordered by: the package's version, or its release.

    Parameters
    ----------
    release : str
        ``6.1.0-56-amd64``, which hides that it is 6.1.192.
    version : str
        The package's version.  Debian's is the kernel's; others count as they like.
    """
    plain = version.partition(":")[2] or version  # Without an epoch.
    known = len(plain) <= _LONGEST and _UPSTREAM.match(plain)
    return plain if known and series(plain) == series(release) else release


def _match(version: str) -> re.Match[str]:
    match = _UPSTREAM.match(version)
    if match is None or len(version) > _LONGEST:
        raise BadUseError(
            f"{shortened(version)!r} is no kernel version", "give one such as 6.12.107"
        )
    return match
