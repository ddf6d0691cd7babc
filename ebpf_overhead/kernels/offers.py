"""The kernel packages in a Debian mirror's signed lists."""

from __future__ import annotations

import json
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from ebpf_overhead.errors import FailedError
from ebpf_overhead.kernels.apt import PrivateApt
from ebpf_overhead.kernels.debfile import release_in_name
from ebpf_overhead.kernels.reporting import Reporter

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
_STANZA = re.compile(
    rb"^Package: linux-(?:image|binary|modules|base)-\d.*?(?:\n\n|\Z)", re.M | re.S
)
_FIELD = re.compile(r"^([\w-]+): (.*)$", re.M)


@dataclass(frozen=True)
class Offer:
    """A binary package in a mirror's list.

    Parameters
    ----------
    name, version, suite, uri : str
        What, where.
    size_bytes : int
        Of the package file.
    sha256 : str
        What the signed list says it is; empty when no list names the package.
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


def read_offers(apt: PrivateApt, refresh: bool, reporter: Reporter) -> list[Offer]:
    """Return every kernel package of the mirror, from lists at most a day old.

    Parameters
    ----------
    apt : PrivateApt
        The archive.
    refresh : bool
        Read the lists anew whatever their age.
    reporter : Reporter
        Told of each list that could not be used.

    Raises
    ------
    FailedError
        When no list at all could be used.
    """
    saved = apt.directory / "kernels.json"
    if not refresh and saved.exists() and time.time() - saved.stat().st_mtime < LISTS_LAST_S:
        values = json.loads(saved.read_text())
        for problem in values["problems"]:
            reporter.note(problem)
        return [Offer(**offer) for offer in values["offers"]]
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
    saved.write_text(json.dumps({"problems": problems, "offers": [asdict(o) for o in offers]}))
    return offers


def _parse(apt: PrivateApt, suite: str, base: str, path: Path) -> list[Offer]:
    found = []
    for stanza in _STANZA.findall(apt.read_list(path)):
        fields = dict(_FIELD.findall(stanza.decode("utf-8", "replace")))
        if release_in_name(fields["Package"]) is None:
            continue
        found.append(
            Offer(
                name=fields["Package"],
                version=fields["Version"],
                suite=suite,
                uri=base.rstrip("/") + "/" + fields["Filename"],
                size_bytes=int(fields["Size"]),
                sha256=fields["SHA256"],
                depends=fields.get("Depends", ""),
                built_using=fields.get("Built-Using", ""),
            )
        )
    return found
