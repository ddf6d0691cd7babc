"""The programs of guests whose architecture is not this machine's: Python and what it needs.

They are Debian's packages, unpacked by this machine and never run on it: no script of a package is
executed.  apt chooses them from signed lists and checks their contents.  With them come the headers
and libraries that the project's extensions are built against.
"""

from __future__ import annotations

import compileall
import hashlib
import json
import py_compile
import shutil
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ebpf_overhead.architectures import ARCHITECTURES, Architecture
from ebpf_overhead.errors import FailedError, MissingToolError
from ebpf_overhead.kernels import store, unpacked
from ebpf_overhead.kernels.apt import PrivateApt, WantedFile
from ebpf_overhead.kernels.layout import Layout
from ebpf_overhead.kernels.reporting import Reporter
from ebpf_overhead.reading import read_json
from ebpf_overhead.trust import refuse_foreign

# NumPy is the one compiled module that measuring needs, libbpf reads object files.
PACKAGES = ("python3", "python3-numpy", "busybox-static", "libbpf1", "libpython3-dev")
# Debian's release that has a version of Python, so that modules that were compiled here serve
# there; the newest stable one where there is none.
_SUITES = {(3, 11): "bookworm", (3, 13): "trixie"}
_NEWEST = "trixie"
_RECORD = "userland.json"


@dataclass(frozen=True)
class Userland:
    """The programs of an architecture, on this machine's disk.

    Parameters
    ----------
    directory : Path
        Where they are.
    suite : str
        Debian's release that they are of.
    packages : list of str
        Names of the package files.
    sha256 : str
        Of the packages' checksums.
    """

    directory: Path
    suite: str
    packages: list[str]
    sha256: str

    @property
    def root(self) -> Path:
        """The file system."""
        return self.directory / "root"

    @property
    def python(self) -> Path:
        """The interpreter, in the guest."""
        found = sorted(self.root.glob("usr/bin/python3.[0-9]*[0-9]"))
        if not found:
            raise FailedError(f"{self.root} has no Python", f"remove {self.directory}")
        return Path("/usr/bin", found[0].name)

    @property
    def busybox(self) -> Path:
        """A static busybox, on this machine's disk."""
        return self.root / "usr/bin/busybox"


def suite(version: tuple[int, int] = (sys.version_info[0], sys.version_info[1])) -> str:
    """Return the release of Debian whose programs go with a version of Python."""
    return _SUITES.get(version, _NEWEST)


def find(userlands: Path, architecture: Architecture) -> Userland:
    """Return the programs of an architecture.

    Parameters
    ----------
    userlands : Path
        `Layout.userlands`.
    architecture : Architecture
        Not this machine's.

    Raises
    ------
    MissingToolError
        They are not here.
    """
    place = userlands / f"{architecture.debian}-{suite()}"
    if not (place / _RECORD).exists():
        raise MissingToolError(
            f"guests of {architecture.debian} need programs of their own, which are not here",
            f"ebpf-overhead kernels add 6.12-{architecture.debian} fetches them",
        )
    refuse_foreign(place / _RECORD)
    remedy = f"remove {place}, and add a kernel of {architecture.debian} again"
    record = read_json(place / _RECORD, _Record, remedy=remedy)
    return Userland(place, record.suite, record.packages, record.sha256)


def remove_unused(userlands: Path, used: Collection[str]) -> None:
    """Remove the programs of architectures of which there is no kernel.

    Parameters
    ----------
    userlands : Path
        `Layout.userlands`.
    used : collection of str
        Architectures of the kernels that are here, as ``uname -m`` prints them.
    """
    for architecture in ARCHITECTURES.values():
        if architecture.name not in used:
            for place in userlands.glob(f"{architecture.debian}-*"):
                shutil.rmtree(place)


@dataclass(frozen=True)
class _Record:
    suite: str
    packages: list[str]
    sha256: str


def add(
    layout: Layout,
    architecture: Architecture,
    apt: Callable[[tuple[str, ...]], PrivateApt],
    reporter: Reporter,
) -> Userland:
    """Fetch the programs of an architecture, unless they are here.

    Parameters
    ----------
    layout : Layout
        Where they are put.
    architecture : Architecture
        Not this machine's.
    apt : callable
        Returns the archive with these suites.
    reporter : Reporter
        Receives progress and notes.

    Raises
    ------
    OverheadError
        They cannot be fetched.
    """
    try:
        return find(layout.userlands, architecture)
    except MissingToolError:
        pass
    began_s = time.monotonic()
    archive = apt((suite(), f"{suite()}-security"))
    for problem in archive.update(reporter):
        reporter.note(problem)
    files = archive.resolve(PACKAGES)
    place = f"{architecture.debian}-{suite()}"
    with store.staging(layout.userlands, place) as staged:
        paths = list(_fetched(files, archive, layout.packages, reporter))
        _unpack(paths, staged / "root", architecture, reporter)
        sums = "".join(sorted(each.sha256 for each in files))
        digest = hashlib.sha256(sums.encode()).hexdigest()
        record = _Record(suite(), sorted(each.name for each in files), digest)
        (staged / _RECORD).write_text(json.dumps(asdict(record), indent=1))
        shutil.rmtree(layout.userlands / place, ignore_errors=True)
        staged.rename(layout.userlands / place)
    for path in paths:
        path.unlink()
    megabytes = sum(each.size_bytes for each in files) / 1e6
    reporter.note(
        f"programs for guests of {architecture.debian}: {len(files)} packages, {megabytes:.0f} MB, "
        f"in {time.monotonic() - began_s:.0f} s"
    )
    return find(layout.userlands, architecture)


def _fetched(
    files: Sequence[WantedFile], apt: PrivateApt, folder: Path, reporter: Reporter
) -> Iterator[Path]:
    total_bytes, done_bytes = sum(each.size_bytes for each in files), 0
    for each in files:
        target = folder / f"userland-{each.name}"

        def advance(of_file_bytes: int, before_bytes: int = done_bytes) -> None:
            reporter.progress("fetching programs", before_bytes + of_file_bytes, total_bytes)

        if not (target.exists() and store.file_sha256(target) == each.sha256):
            apt.download(each.uri, target, each.sha256, advance)
        done_bytes += each.size_bytes
        yield target
    reporter.progress("fetching programs", total_bytes, total_bytes)


def _unpack(
    paths: Sequence[Path], root: Path, architecture: Architecture, reporter: Reporter
) -> None:
    made = unpacked.UnpackedSystem(root)
    for number, path in enumerate(paths):
        reporter.progress("unpacking programs", number, len(paths))
        made.add(path)
    reporter.progress("unpacking programs", len(paths), len(paths))
    # What the scripts of the packages would make, if they were run.
    for library in ("blas/libblas.so.3", "lapack/liblapack.so.3"):
        folder = root / "usr/lib" / architecture.triplet
        if (folder / library).exists():
            (folder / Path(library).name).symlink_to(library)
    if not (root / "usr/bin/busybox").is_file():
        raise FailedError("no busybox in the packages", "name another --mirror")
    _compile(root)


def _compile(root: Path) -> None:
    """Compile the modules of the interpreter, where this one makes the same code: it runs none."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if not (root / f"usr/bin/python{version}").exists():
        return
    for folder in (f"usr/lib/python{version}", "usr/lib/python3/dist-packages"):
        compileall.compile_dir(
            root / folder,
            quiet=2,
            stripdir=str(root),
            # Nobody changes the sources: they need not be looked at.
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
