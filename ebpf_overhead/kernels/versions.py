"""The order of kernel versions: release candidates, Debian revisions and backports."""

from __future__ import annotations

import re

from ebpf_overhead.errors import BadUseError

_UPSTREAM = re.compile(r"(?P<numbers>\d+(?:\.\d+)+)(?:[-~]rc(?P<candidate>\d+))?")
# What a release may be made of: a directory, a git tag and an asv argument at once.
_RELEASE = re.compile(r"\d+\.\d+[A-Za-z0-9._+-]*")
_FINAL = 1 << 30  # A final release comes after each of its candidates.

Piece = tuple[tuple[int, ...], int]
Key = tuple[tuple[int, ...], int, tuple[Piece, ...], tuple[Piece, ...]]


def version_key(version: str) -> Key:
    """Return a sort key of a kernel release or package version.

    Parameters
    ----------
    version : str
        ``6.12.107+deb13-amd64``, ``7.3~rc7-1~exp1``, ``6.17-rc3`` …

    Returns
    -------
    tuple
        Upstream numbers first, then the release candidate (before the final release),
        then the rest in the order of Debian's version comparison
        (deb-version(7): letters before other characters, ``~`` before the end).

    Raises
    ------
    BadUseError
        When it does not start with a kernel version.
    """
    match = _match(version)
    numbers = [int(number) for number in match["numbers"].split(".")]
    while len(numbers) < 3:
        numbers.append(0)
    candidate = int(match["candidate"]) if match["candidate"] else _FINAL
    rest = version[match.end() :]
    # Debian's revision is what follows the last hyphen; there may be none.
    revision = rest.rpartition("-")[2] if "-" in rest else ""
    rest = rest.removesuffix(f"-{revision}")
    return tuple(numbers), candidate, _debian_key(rest), _debian_key(revision)


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


def looks_like_version(text: str) -> bool:
    """Tell whether `text` could name a release or a series."""
    return _RELEASE.fullmatch(text.replace("~rc", "-rc")) is not None


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
            f"kernel release {release!r} cannot be a directory and a git tag",
            "build the kernel with a LOCALVERSION of letters, digits and . _ + -",
        )
    return release


def package_version(release: str, version: str) -> str:
    """Return what orders a packaged kernel: the package's version, or its release.

    Parameters
    ----------
    release : str
        ``6.1.0-56-amd64``, which hides that it is 6.1.192.
    version : str
        The package's version.  Debian's is the kernel's; others count as they like.
    """
    plain = version.partition(":")[2] or version  # Without an epoch.
    match = _UPSTREAM.match(plain)
    return plain if match and series(plain) == series(release) else release


def _match(version: str) -> re.Match[str]:
    match = _UPSTREAM.match(version)
    if match is None:
        raise BadUseError(
            f"{version!r} does not start with a kernel version", "give one such as 6.12.107"
        )
    return match


def _debian_key(text: str) -> tuple[Piece, ...]:
    """Make deb-version(7)'s comparison of alternating words and numbers a tuple."""
    pieces = [piece for piece in re.findall(r"(\D*)(\d*)", text) if any(piece)]
    # The empty last piece makes "1~bpo12" smaller than "1": tuples alone would not.
    return tuple((_word_key(word), int(number or 0)) for word, number in [*pieces, ("", "")])


def _word_key(word: str) -> tuple[int, ...]:
    # The end of a word weighs 0, so "~" is before it and everything else after it.
    weights = [-1 if c == "~" else ord(c) if c.isalpha() else ord(c) + 256 for c in word]
    return (*weights, 0)
