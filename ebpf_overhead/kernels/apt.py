"""apt with lists, state and cache of its own: nothing of the system's apt changes.

apt does the network's work (proxies, credentials, transports) and checks the signatures
of the lists and the checksums of the packages.  It does not need root.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ebpf_overhead.errors import FailedError, MissingToolError
from ebpf_overhead.kernels.mirror import DebianArchive
from ebpf_overhead.kernels.reporting import Reporter

_HELPERS = (Path("/usr/lib/apt/apt-helper"), Path("/usr/libexec/apt/apt-helper"))
# Only the network settings of the system's apt are used.  Checks of signatures and dates that
# are switched off there stay on here.
_NETWORK = re.compile(r"Acquire::(https?|ftp|socks|Retries|ForceIPv[46])\b", re.IGNORECASE)
_FAILED = re.compile(r"^E: (Failed to fetch \S+)?")
# What apt prints of each file; package names and versions have no blanks.
_URI = re.compile(r"^'(\S+)' (\S+\.deb) (\d+) SHA256:([0-9a-f]{64})$", re.MULTILINE)
_EXPIRED = re.compile(r"Release file for (\S+) is expired \(invalid since ([^)]*)\)")
# A download must end when this process is killed.  setpriv is part of util-linux.
_DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "TERM", "--")
_OPTIONS = {
    "Acquire::Languages": "none",
    "Acquire::GzipIndexes": "true",
    "Acquire::AllowInsecureRepositories": "false",
    "Acquire::AllowWeakRepositories": "false",
    "Acquire::AllowDowngradeToInsecureRepositories": "false",
    "Acquire::Check-Valid-Until": "true",
    "Acquire::Check-Date": "true",
    # apt's own index of all packages would take 160 MB.
    "Dir::Cache::pkgcache": "",
    "Dir::Cache::srcpkgcache": "",
}


class WantedFile(NamedTuple):
    """A package file to download: where it is, its name, size, and SHA-256 by the signed lists."""

    uri: str
    name: str
    size_bytes: int
    sha256: str


class PrivateApt:
    """apt for one archive, in a directory of its own.

    Parameters
    ----------
    directory : Path
        Created when it is missing.  Each archive has a directory of its own, so that expired
        lists that one setting accepts are not used under another.
    archive : DebianArchive
        What to read.
    """

    def __init__(self, directory: Path, archive: DebianArchive) -> None:
        self.directory = directory / archive.key
        self.archive = archive
        self._prepare()

    def update(self, reporter: Reporter) -> list[str]:
        """Fetch the lists.

        Returns
        -------
        list of str
            One line for each list that could not be used: the reason and the remedy.  The
            other lists are used.
        """
        started = time.monotonic()
        reporter.note(f"reading the lists of {', '.join(self.archive.suites)}")
        done = self._run(["apt-get", "update", "-qq", "-o", "pkgCacheFile::Generate=false"])
        reporter.note(f"lists read in {time.monotonic() - started:.0f} s")
        return _problems(done.stderr)

    def lists(self) -> list[tuple[str, str, Path]]:
        """Return (suite, base address, file) of every list that was downloaded and checked."""
        form = "$(RELEASE)|$(REPO_URI)|$(FILENAME)"
        done = self._run(["apt-get", "indextargets", "--format", form, "Created-By: Packages"])
        rows = [line.split("|", 2) for line in done.stdout.splitlines() if line.count("|") == 2]
        return [(suite, base, Path(name)) for suite, base, name in rows if Path(name).exists()]

    def read_list(self, path: Path) -> bytes:
        """Return a list's text, uncompressed."""
        done = subprocess.run(
            [str(_helper()), "cat-file", str(path)],
            env=self._environment(),
            capture_output=True,
            check=False,
        )
        if done.returncode != 0:
            raise FailedError(f"{path} cannot be read: {done.stderr.decode()[:200]}", "--refresh")
        return done.stdout

    def resolve(self, packages: Sequence[str]) -> list[WantedFile]:
        """Return what packages consist of: their files, and those of all that they depend on.

        Nothing is downloaded or installed, and nothing counts as installed already.

        Raises
        ------
        FailedError
            The lists do not have them.
        """
        command = ["apt-get", "install", "--print-uris", "-qq", "-y", "--no-install-recommends"]
        done = self._run([*command, "-o", "Acquire::ForceHash=SHA256", *packages])
        found = _URI.findall(done.stdout)
        if done.returncode != 0 or not found or len(found) != len(done.stdout.splitlines()):
            said = _problems(done.stderr) or [done.stdout.strip()[-200:] or "apt names no file"]
            raise FailedError(
                f"no {', '.join(packages)} for {self.archive.arch} in the lists of "
                f"{', '.join(self.archive.suites)}: {said[-1]}",
                "name another --mirror",
            )
        return [WantedFile(uri, name, int(size), sha256) for uri, name, size, sha256 in found]

    def download(
        self, uri: str, target: Path, sha256: str | None, advance: Callable[[int], None]
    ) -> None:
        """Download one file; a partial file of an earlier try is downloaded again.

        Parameters
        ----------
        uri : str
            Its address.
        target : Path
            Appears only when the file is complete.
        sha256 : str or None
            What apt checks it against.
        advance : callable
            Called several times per second with the bytes that have arrived.

        Raises
        ------
        FailedError
            When it cannot be downloaded or its checksum differs.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(target.name + ".part")
        partial.unlink(missing_ok=True)
        command = [str(_helper()), "-q=2", "download-file", uri, str(partial)]
        if sha256:
            command.append(f"SHA256:{sha256}")
        try:
            self._watch(command, uri, partial, advance)
            if partial.is_symlink():  # apt makes a link for a file: address.
                local = partial.resolve()
                partial.unlink()
                shutil.copyfile(local, partial)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
            partial.with_name(partial.name + ".FAILED").unlink(missing_ok=True)

    def _watch(
        self, command: list[str], uri: str, partial: Path, advance: Callable[[int], None]
    ) -> None:
        process = subprocess.Popen(
            [*_DIE_WITH_PARENT, *command],
            env=self._environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            while process.poll() is None:
                advance(partial.stat().st_size if partial.exists() else 0)
                time.sleep(0.05)
            _, messages = process.communicate()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        if process.returncode != 0:
            lines = [line.strip() for line in messages.splitlines() if line.startswith("E:")]
            what = _FAILED.sub("", lines[0]) if lines else f"status {process.returncode}"
            raise FailedError(
                f"{uri}: {' '.join(what.split())}",
                "try again, refresh the lists with --refresh, or choose another release: see "
                "`ebpf-overhead kernels available --all`",
            )

    def _prepare(self) -> None:
        for name in ("lists/partial", "cache/archives/partial", "state"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        (self.directory / "status").touch()
        (self.directory / "kernels.sources").write_text(self.archive.sources())
        lines = [f'{name} "{value}";' for name, value in self._options().items()]
        lines += _system_network_options()
        (self.directory / "apt.conf").write_text("\n".join(lines) + "\n")

    def _options(self) -> dict[str, str]:
        place = self.directory
        return {
            # Read no other configuration: the system's hooks would clear the system's cache.
            "Dir::Etc::main": "/dev/null",
            "Dir::Etc::parts": "/dev/null",
            "Dir::Etc::sourcelist": str(place / "kernels.sources"),
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::State": str(place / "state"),
            "Dir::State::lists": str(place / "lists"),
            "Dir::State::status": str(place / "status"),
            "Dir::Cache": str(place / "cache"),
            "APT::Architecture": self.archive.arch,
            # As root apt would fetch as user _apt, who cannot reach a home directory.
            "APT::Sandbox::User": "root" if os.geteuid() == 0 else "",
            **_OPTIONS,
        }

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                command, env=self._environment(), capture_output=True, text=True, check=False
            )
        except FileNotFoundError:
            raise _missing() from None

    def _environment(self) -> Mapping[str, str]:
        return {**os.environ, "APT_CONFIG": str(self.directory / "apt.conf"), "LC_ALL": "C"}


def _problems(messages: str) -> list[str]:
    found = []
    for line in messages.splitlines():
        text = line.removeprefix("E: ").removeprefix("W: ").strip()
        if expired := _EXPIRED.search(line):
            text = (
                f"not used: {expired[1]}: past its validity date for {expired[2]} (a frozen "
                "mirror?); --allow-expired-lists accepts it"
            )
        if line.startswith(("E:", "W:")) and "Some index files failed" not in line:
            found.append(text)
    return list(dict.fromkeys(found))


def _system_network_options() -> list[str]:
    try:
        dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise _missing() from None
    return [line for line in dump.stdout.splitlines() if _NETWORK.match(line)]


def _helper() -> Path:
    helper = next((path for path in _HELPERS if path.exists()), None)
    if helper is None:
        raise _missing()
    return helper


def _missing() -> MissingToolError:
    return MissingToolError(
        "apt is not installed, Debian's kernels cannot be fetched",
        "add a .deb file, an image with --modules, a kernel tree, or `running`",
    )
