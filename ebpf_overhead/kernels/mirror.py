"""The Debian mirror of this machine, as its apt sources name it.

Both forms are read: one line per source (``*.list``) and deb822 (``*.sources``); see
sources.list(5).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from ebpf_overhead.errors import BadUseError

ETC_APT = Path("/etc/apt")
KEYRINGS = (
    Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
    Path("/usr/share/keyrings/debian-archive-keyring.pgp"),
)
# What a Debian suite is called, before any -security, -backports or -updates.
_DEBIAN_NAME = re.compile(
    "(buster|bullseye|bookworm|trixie|forky|duke|sid|rc-buggy|oldoldstable|oldstable|stable"
    "|testing|unstable|experimental)(-.+|/.*)?"
)
_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+(?P<rest>\S.*)")


@dataclass(frozen=True)
class AptSource:
    """One source of packages.

    Parameters
    ----------
    uri : str
        Of the archive.
    suites, components : tuple of str
        As in sources.list(5).
    signed_by : str
        Keyring's path, fingerprints or a whole key; empty: apt's trusted keys.
    """

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""

    @property
    def is_debian(self) -> bool:
        """Whether this offers Debian's own suites."""
        return "main" in self.components and any(map(_DEBIAN_NAME.fullmatch, self.suites))

    @property
    def is_security(self) -> bool:
        """Whether this is the separate archive of security updates."""
        return any("-security" in suite or "/updates" in suite for suite in self.suites)


@dataclass(frozen=True)
class Mirror:
    """Where kernels come from.

    Parameters
    ----------
    main : AptSource
        The main archive.
    security : AptSource or None
        The archive of the ``-security`` suites, where there is one.
    """

    main: AptSource
    security: AptSource | None


@dataclass(frozen=True)
class DebianArchive:
    """Which lists to read, and how strictly.

    Parameters
    ----------
    mirror : Mirror
        Where the archives are.
    suites : tuple of str
        Suites to read, ``…-security`` ones from the mirror's security archive.
    arch : str
        Debian architecture, ``amd64``.
    allow_expired : bool
        Accept lists past their validity date.
    """

    mirror: Mirror
    suites: tuple[str, ...]
    arch: str
    allow_expired: bool = False

    def sources(self) -> str:
        """Return this in apt's deb822 form."""
        security = self.mirror.security
        pairs: list[tuple[AptSource | None, tuple[str, ...]]] = [
            (self.mirror.main, tuple(s for s in self.suites if not s.endswith("-security"))),
            (security, tuple(s for s in self.suites if s.endswith("-security"))),
        ]
        return "\n".join(
            self._stanza(source, suites) for source, suites in pairs if source and suites
        )

    @property
    def key(self) -> str:
        """Name of the directory that holds the lists of exactly this archive."""
        return hashlib.sha256(self.sources().encode()).hexdigest()[:12]

    def _stanza(self, source: AptSource, suites: tuple[str, ...]) -> str:
        lines = [
            "Types: deb",
            f"URIs: {source.uri}",
            f"Suites: {' '.join(suites)}",
            "Components: main",
            f"Architectures: {self.arch}",
        ]
        if source.signed_by:
            lines.append(f"Signed-By: {source.signed_by}")
        if self.allow_expired:
            lines.append("Check-Valid-Until: no")
        return "\n".join(lines) + "\n"


def find_mirror(uri: str | None, keyring: Path | None, etc_apt: Path = ETC_APT) -> Mirror:
    """Return the mirror to use.

    Parameters
    ----------
    uri : str or None
        The main archive that the user chose; None: that of this machine.
    keyring : Path or None
        The keys that its lists must be signed with; None: those of this machine's sources,
        or the Debian keyring.
    etc_apt : Path
        Directory of apt's configuration.

    Raises
    ------
    BadUseError
        When the machine has no Debian source and `uri` is None.
    """
    debian = [source for source in read_sources(etc_apt) if source.is_debian]
    mains = [source for source in debian if not source.is_security]
    security = next((source for source in debian if source.is_security), None)
    if uri is not None:
        mains = [AptSource(uri, (), ("main",), next((s.signed_by for s in mains), ""))]
    if not mains:
        raise BadUseError(
            f"no source of Debian packages in {etc_apt}", "name a Debian mirror: --mirror URL"
        )
    return Mirror(_signed(mains[0], keyring), _signed(security, keyring) if security else None)


def read_sources(etc_apt: Path) -> list[AptSource]:
    """Return every enabled binary source of a machine, in apt's order."""
    parts = etc_apt / "sources.list.d"
    files = [etc_apt / "sources.list", *sorted(parts.glob("*.list"))]
    found = [source for path in files for source in _lines(_text(path))]
    for path in sorted(parts.glob("*.sources")):
        found += _stanzas(_text(path))
    return found


def _signed(source: AptSource, keyring: Path | None) -> AptSource:
    known = (path for path in KEYRINGS if path.exists())
    signed_by = str(keyring or source.signed_by or next(known, ""))
    return AptSource(source.uri, source.suites, source.components, signed_by)


def _text(path: Path) -> str:
    return path.read_text("utf-8", "replace") if path.is_file() else ""


def _lines(text: str) -> list[AptSource]:
    found = []
    for line in text.splitlines():
        match = _LINE.fullmatch(line.split("#")[0].strip())
        if match is None:
            continue
        suite, *components = match["rest"].split()
        options = dict(re.findall(r"([\w-]+)\+?=(\S+)", match["options"] or ""))
        signed_by = options.get("signed-by", "")
        found.append(AptSource(match["uri"], (suite,), tuple(components), signed_by))
    return found


def _stanzas(text: str) -> list[AptSource]:
    from debian.deb822 import Deb822  # Not at the top: it takes long, and few commands need it.

    found = []
    for fields in Deb822.iter_paragraphs(text.splitlines(), use_apt_pkg=False):
        enabled = fields.get("Enabled", "yes").lower() not in ("no", "false", "0")
        if not enabled or "deb" not in fields.get("Types", "").split():
            continue
        suites, components, uris = (
            tuple(fields.get(name, "").split()) for name in ("Suites", "Components", "URIs")
        )
        signed_by = fields.get("Signed-By", "").strip()
        found += [AptSource(uri, suites, components, signed_by) for uri in uris]
    return found
