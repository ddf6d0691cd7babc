"""The kernel packages in a Debian mirror's signed lists."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from ebpf_overhead.closing import write_atomically
from ebpf_overhead.errors import FailedError, OverheadError
from ebpf_overhead.kernels.apt import PrivateApt
from ebpf_overhead.kernels.reporting import Reporter
from ebpf_overhead.kernels.versions import version_key
from ebpf_overhead.reading import read_json

SUITES = (
    "bullseye",
    "bullseye-security",
    "bookworm",
    "bookworm-security",
    "bookworm-backports",
    "trixie",
    "trixie-security",
    "trixie-backports",
    "sid",
)
# The suites of Debian's stable release, without backports.
STABLE = ("trixie", "trixie-security")
LISTS_LAST_S = 24 * 3600
_KERNEL = re.compile(
    rb"^Package: linux-(?:image|binary|modules|base)-\d.*?(?:\n\n|\Z)", re.M | re.S
)


@dataclass(frozen=True)
class Offer:
    """A binary package in a mirror's list.

    Parameters
    ----------
    name, version, suite, uri : str
        What it is, and where.
    size_bytes : int
        Of the package file.
    sha256 : str
        As in the signed list; empty when no list names the package.
    depends, built_using : str
        As in the list.
    """

    name: str
    version: str
    suite: str
    uri: str
    size_bytes: int
    sha256: str
    depends: str = ""
    built_using: str = ""

    @property
    def filename(self) -> str:
        """The package file's name."""
        return PurePosixPath(self.uri).name


@dataclass(frozen=True)
class _Saved:
    """What the lists said, as it is kept for a day."""

    problems: list[str]
    offers: list[Offer]


def read_offers(apt: PrivateApt, refresh: bool, reporter: Reporter) -> list[Offer]:
    """Return every kernel package of the mirror, from lists that are at most a day old.

    Parameters
    ----------
    apt : PrivateApt
        The archive.
    refresh : bool
        Download the lists even if they are new.
    reporter : Reporter
        Receives a note for each list that could not be used.

    Raises
    ------
    FailedError
        When no list at all could be used.
    """
    saved = apt.directory / "kernels.json"
    known = None if refresh else _known(saved)
    if known is not None:
        for problem in known.problems:
            reporter.note(problem)
        return known.offers
    problems = apt.update(reporter)
    for problem in problems:
        reporter.note(problem)
    offers = [
        offer for suite, base, path in apt.lists() for offer in _parse(apt, suite, base, path)
    ]
    if not offers:
        raise FailedError(
            f"no kernel in any list of {apt.archive.mirror.main.uri}",
            problems[0] if problems else "name other --suite or another --mirror",
        )
    write_atomically(saved, json.dumps(asdict(_Saved(problems, offers))))
    return offers


def _known(saved: Path) -> _Saved | None:
    """Return what was saved; None where it is old, damaged, or of a clock that was ahead."""
    try:
        if 0 <= time.time() - saved.stat().st_mtime < LISTS_LAST_S:
            return read_json(saved, _Saved)
    except (OSError, OverheadError):
        pass  # The mirror's lists have it all.
    return None


def _parse(apt: PrivateApt, suite: str, base: str, path: Path) -> list[Offer]:
    from debian.deb822 import Deb822  # Not at the top: it takes long, and few commands need it.

    # Of the list's 65,000 paragraphs a hundred are of kernels: the others are not parsed.
    paragraphs = _KERNEL.findall(apt.read_list(path))
    texts = (paragraph.decode("utf-8", "replace").splitlines() for paragraph in paragraphs)
    try:
        return [_offer(Deb822(text), suite, base) for text in texts]
    except (KeyError, ValueError) as error:
        raise FailedError(f"{path}: a package with a strange field: {error}", "--refresh") from None


def _offer(fields: Mapping[str, str], suite: str, base: str) -> Offer:
    version_key(fields["Version"])  # Is one.
    return Offer(
        name=fields["Package"],
        version=fields["Version"],
        suite=suite,
        uri=base.rstrip("/") + "/" + fields["Filename"],
        size_bytes=int(fields["Size"]),
        sha256=fields["SHA256"],
        depends=fields.get("Depends", ""),
        built_using=fields.get("Built-Using", ""),
    )
