"""The host's Python interpreter as PID 1 of a guest: how it is started, what it needs to see."""

from __future__ import annotations

import compileall
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import ebpf_overhead
from ebpf_overhead.errors import FailedError, MissingToolError
from ebpf_overhead.guest.initrd import CONFIGURATION

# Where this package is imported from, on the host and so in the guest.
PACKAGE_ROOT = Path(ebpf_overhead.__file__).absolute().parent.parent

_FACTS = """
import json, sys
print(json.dumps([sys.executable, sys.prefix, sys.base_prefix, sys.exec_prefix, *sys.path]))
"""

# The package is importable while PID 1 imports itself, but stays where it was in the search
# path, or out of it, for everything after.
_BOOTSTRAP = (
    f"import sys; sys.path[0] = {str(PACKAGE_ROOT)!r};"
    " from ebpf_overhead.guest.init import main;"
    " del sys.path[0]; main(sys.argv[1])"
)


@dataclass(frozen=True)
class Interpreter:
    """A Python interpreter of the host.

    Parameters
    ----------
    executable : str
        What it calls itself.
    names : tuple of str
        What commands may call it.
    needed : tuple of Path
        Files and directories of the host it works with.
    """

    executable: str
    names: tuple[str, ...]
    needed: tuple[Path, ...]

    @property
    def init_command(self) -> list[str]:
        """The command that becomes PID 1."""
        # -s: the user's own packages are not part of a measurement.
        return [self.executable, "-s", "-c", _BOOTSTRAP, CONFIGURATION]


def inspect(python: str) -> Interpreter:
    """Return what there is to know about an interpreter.

    Parameters
    ----------
    python : str
        Its path, as the caller's commands have it.

    Raises
    ------
    MissingToolError
        When it does not run.
    FailedError
        When it runs and fails.
    """
    executable, *places = _ask(python)
    absolute = str(Path(python).absolute())
    paths = [Path(executable), Path(absolute), PACKAGE_ROOT, *map(Path, places)]
    return Interpreter(
        executable,
        tuple(sorted({python, absolute, executable})),
        tuple(path for path in paths if path.exists()),
    )


def compile_sources(directory: Path = PACKAGE_ROOT / "ebpf_overhead") -> None:
    """Byte-compile what runs in the guest, which could not keep the result.

    Best effort: what cannot be written is compiled in each boot, or by each command.
    """
    compileall.compile_dir(directory, quiet=2)


@lru_cache(maxsize=8)
def _ask(python: str) -> Sequence[str]:
    try:
        done = subprocess.run(
            [python, "-s", "-c", _FACTS], capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise MissingToolError(
            f"Python interpreter {python} does not run: {error.strerror}", "give another"
        ) from None
    if done.returncode:
        raise FailedError(f"Python interpreter {python} fails: {done.stderr.strip()[-200:]}")
    answer: list[str] = json.loads(done.stdout)
    return [entry for entry in answer if entry]
