"""Sources that do not compile: why, and that the compiler is not asked twice.

It takes as long for one that does not compile, in a guest minutes, and all functions of a tool's
text are of one source.  So this process remembers what it was told, and tells its guests.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ebpf_overhead.errors import FailedError, OverheadError, UnsupportedError
from ebpf_overhead.programs import bcc, bcc_child, store

# What LLVM says of a program that needs more stack.
_STACK_LIMIT = "BPF stack limit of 512 bytes is exceeded"
# What is missing of the kernel's own headers: a file in one of their directories, or a structure.
_OF_THE_KERNEL = re.compile(r"'\w+/[^']*' file not found|incomplete (definition of )?type 'struct ")
_HEADERS_MISSING = (
    "the kernel's own headers have it: install them ({package} on Debian and Ubuntu, kernel-devel"
    " on Fedora; for a guest, on this machine), or name their directory in BCC_KERNEL_SOURCE; or"
    " measure an object file"
)
# Beside the objects that a guest is given: what its host knows.
_FILE = "failures"


class NotCompiledError(FailedError):
    """A source does not compile, and will not as long as it and its headers stay as they are.

    Parameters
    ----------
    what, remedy : str
        As in `OverheadError`.
    needs_headers : bool
        Whether it lacks what the kernel's own headers have.
    """

    def __init__(self, what: str, remedy: str = "", needs_headers: bool = False) -> None:
        super().__init__(what, remedy)
        self.needs_headers = needs_headers


_Row = tuple[str, str, bool]  # the arguments of that error
_known: dict[str, _Row] = {}


@contextmanager
def known(source_key: str, path: Path) -> Iterator[None]:
    """Compile in the block, unless it is known why that fails; if it does, remember why.

    Parameters
    ----------
    source_key : str
        What tells the source and its options from others.
    path : Path
        Its file: headers beside it may change, too.

    Raises
    ------
    NotCompiledError
        It does not compile.
    """
    beside = sorted(each for each in path.resolve().parent.glob("*.h") if each.is_file())
    key = " ".join([source_key, *(f"{each} {store.fingerprint(each)}" for each in beside)])
    if row := _known.get(key) or _told().get(key):
        raise NotCompiledError(*row)
    try:
        yield
    except NotCompiledError as error:
        _known[key] = (error.what, error.remedy, error.needs_headers)
        raise


def as_files() -> Iterator[tuple[str, str]]:
    """Yield name and content of the file that a guest is given; none where nothing is known."""
    if _known:
        yield _FILE, json.dumps(_known)


def _told() -> dict[str, _Row]:
    """Return what the host of this guest knows."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        found = json.loads((Path(os.environ[store.OBJECTS_VARIABLE]) / _FILE).read_text())
        return {key: (what, remedy, needs) for key, (what, remedy, needs) in found.items()}
    return {}


def of_log(path: Path, status: int, log: str, release: str = "") -> OverheadError:
    """Return what the compiler says of a source: a mistake in it, or that it gave up itself.

    Parameters
    ----------
    path : Path
        The source.
    status : int
        Exit status of the compiler's process; negative for a signal.
    log : str
        What it wrote.
    release : str
        The kernel that it was compiled for; by default the one that runs.
    """
    errors = [line.strip() for line in log.splitlines() if "error:" in line]
    if _STACK_LIMIT in log:
        return NotCompiledError(
            f"{path.name} needs more than 512 bytes of stack, the most that a program has",
            "keep what is large in a map with one element: BPF_PERCPU_ARRAY",
        )
    if errors:
        more = f" (and {len(errors) - 1} more)" if errors[1:] else ""
        what = f"{path.name} does not compile: {errors[0]}{more}"
        if _OF_THE_KERNEL.search(errors[0]):
            package = f"linux-headers-{release or os.uname().release}"
            return NotCompiledError(what, _HEADERS_MISSING.format(package=package), True)
        return NotCompiledError(what)
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    said = lines[-1] if lines else "no reason given"
    if status == bcc_child.NO_LIBRARY:
        return bcc.missing(said)
    if status == bcc_child.NOT_COMPILED:
        return UnsupportedError(f"BCC fails to compile {path.name}: {said}")
    ended = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
    return FailedError(f"{path.name}: the compiler ended with {ended}: {said}")
