"""A file system unpacked from Debian's packages, with no script of theirs run.

Only plain files, directories and links are made, and nothing is written through a link, so a
package cannot write outside of the tree.  What nobody needs to run programs is left out.
"""

from __future__ import annotations

import re
import shutil
import tarfile
from pathlib import Path, PurePosixPath

from ebpf_overhead.errors import FailedError
from ebpf_overhead.kernels import store
from ebpf_overhead.kernels.debstream import opened
from ebpf_overhead.printable import shortened

_LARGEST_FILE_BYTES = 256 << 20
# Since Debian 12 these are links; older packages still have files there.
_MERGED = ("bin", "lib", "sbin")
_KEPT = re.compile(r"(usr/(bin|lib|include)|etc/python[^/]*)(/.*)?")
# Libraries to be linked against statically, and other encodings.
_DROPPED = re.compile(r".*/config-3[^/]*-linux-gnu/.*|.*/gconv/.*|.*/tests/.*|.*/perl.*|.*\.a")


class UnpackedSystem:
    """A file system that is made of packages.

    Parameters
    ----------
    root : Path
        Its directory, which is made.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "usr").mkdir(parents=True)
        for name in _MERGED:
            (root / "usr" / name).mkdir()
            (root / name).symlink_to(f"usr/{name}")
        self._links: set[PurePosixPath] = set()

    def add(self, package: Path) -> None:
        """Unpack a package.

        Raises
        ------
        FailedError
            It is damaged, or has a file that no package has.
        """
        with opened(package, "--fsys-tarfile", store.LARGEST_BYTES, FailedError) as archive:
            for member in archive:
                name = place(member.name)
                if name is not None:
                    self._make(archive, member, name)

    def _make(self, archive: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> None:
        self._refuse_strange(member, name)
        target = self.root / name
        if member.isdir():
            target.mkdir(parents=True, exist_ok=True)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        if member.issym():
            self._links.add(PurePosixPath(name))
            target.symlink_to(member.linkname)
        elif member.islnk():
            other = place(member.linkname)
            linked = None if other is None else self.root / other
            if other is not None and linked is not None and linked.is_file():
                self._refuse_strange(member, other)
                target.hardlink_to(linked)
        elif (content := archive.extractfile(member)) is not None:
            with open(target, "wb") as file:
                shutil.copyfileobj(content, file, 1 << 20)
            target.chmod(member.mode & 0o755)

    def _refuse_strange(self, member: tarfile.TarInfo, name: str) -> None:
        path = PurePosixPath(name)
        usual = member.isfile() or member.isdir() or member.issym() or member.islnk()
        large = member.issparse() or member.size > _LARGEST_FILE_BYTES
        below_link = any(each in self._links for each in (*path.parents, *_other(member)))
        if not usual or large or below_link or ".." in path.parts or not name.isprintable():
            raise FailedError(
                f"{shortened(member.name)} in the package is refused", "get the package again"
            )


def _other(member: tarfile.TarInfo) -> list[PurePosixPath]:
    """Return what a hard link is one more name of."""
    other = place(member.linkname) if member.islnk() else None
    return [] if other is None else [PurePosixPath(other), *PurePosixPath(other).parents]


def place(name: str) -> str | None:
    """Return where a file of a package goes; None if it is left out.

    Parameters
    ----------
    name : str
        As in the package: ``./lib/aarch64-linux-gnu/libc.so.6``.
    """
    path = name.removeprefix("./").rstrip("/")
    if path.partition("/")[0] in _MERGED:
        path = f"usr/{path}"
    if not _KEPT.fullmatch(path) or _DROPPED.fullmatch(path):
        return None
    return path
