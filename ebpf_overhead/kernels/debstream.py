"""The parts of a Debian package as tar streams, bounded in bytes and members."""

from __future__ import annotations

import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal, cast

from ebpf_overhead.errors import FailedError, MissingToolError, OverheadError

_MOST_MEMBERS = 50_000  # Debian's kernels have 6,000.
_LONGEST_NAME_BYTES = 1 << 16
_NAME_TYPES = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)


@contextmanager
def opened(
    path: Path,
    part: Literal["--ctrl-tarfile", "--fsys-tarfile"],
    limit_bytes: int,
    error: type[OverheadError],
) -> Iterator[tarfile.TarFile]:
    """Give a part of a package as an archive that can be read once, from front to back.

    Parameters
    ----------
    path : Path
        The package.
    part : str
        The option of dpkg-deb(1): what describes the package, or its files.
    limit_bytes : int
        More than this is refused.
    error : type of OverheadError
        What is raised where it is no package, or a damaged one.

    Raises
    ------
    MissingToolError
        When dpkg-deb is not installed.
    OverheadError
        See `error`.
    """
    with tempfile.TemporaryFile() as messages:
        process, output = _started(part, path, messages)
        stream = _Bounded(output, path, limit_bytes)
        damage = ""
        try:
            with _Archive.open(fileobj=cast(IO[bytes], stream), mode="r|") as archive:
                yield archive
            # dpkg-deb must be able to write the padding at the end, or it dies of SIGPIPE.
            while stream.read(1 << 16):
                pass
        except (tarfile.TarError, EOFError, ValueError) as failure:
            damage = str(failure)
        finally:
            output.close()
            if process.wait() != 0 or damage:
                messages.seek(0)
                said = messages.read(1000).decode("utf-8", "replace").strip().splitlines()
    if process.returncode or damage:
        why = said[-1] if said else damage or f"status {process.returncode}"
        raise error(f"{path} is no Debian package, or a damaged one: {why}", "get it again")


def _started(
    part: str, path: Path, messages: IO[bytes]
) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    command = ["dpkg-deb", part, str(path.absolute())]
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=messages)
    except FileNotFoundError:
        raise MissingToolError("dpkg-deb is not installed", "install the package dpkg") from None
    assert process.stdout is not None
    return process, process.stdout


class _Bounded:
    """What dpkg-deb writes, up to a bound."""

    def __init__(self, stream: IO[bytes], path: Path, limit_bytes: int) -> None:
        self._stream = stream
        self._path = path
        self._limit_bytes = self._left_bytes = limit_bytes

    def read(self, size: int) -> bytes:
        """Return the next bytes.

        Raises
        ------
        FailedError
            When there were too many.
        """
        data = self._stream.read(size)
        self._left_bytes -= len(data)
        if self._left_bytes < 0:
            raise FailedError(
                f"{self._path} is not unpacked: it has more than {self._limit_bytes:,} bytes"
            )
        return data


class _Member(tarfile.TarInfo):
    """A member whose name is bounded: tarfile reads one of any length into memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Member:
        """Return the member that a header describes; raise ReadError if it is refused."""
        member = super().frombuf(buf, encoding, errors)
        if member.type in _NAME_TYPES and member.size > _LONGEST_NAME_BYTES:
            raise tarfile.ReadError(f"a name of {member.size:,} bytes")
        return member


class _Archive(tarfile.TarFile):
    """An archive of a bounded number of members: tarfile remembers each of them."""

    tarinfo = _Member
    _seen = 0

    def next(self) -> tarfile.TarInfo | None:
        """Return the next member; raise ReadError if there are too many."""
        self._seen += 1
        if self._seen > _MOST_MEMBERS:
            raise tarfile.ReadError(f"more than {_MOST_MEMBERS:,} files")
        return super().next()
