"""The host's Python interpreter as PID 1 of a guest: how it is started, what it needs to see."""

from __future__ import annotations

import compileall
import json
import subprocess
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

_PACKAGES = """
import json, sysconfig
print(json.dumps([sysconfig.get_path("purelib")]))
"""

# The package is importable while PID 1 imports itself, but stays where it was in the search
# path, or out of it, for everything after.
_BOOTSTRAP = (
    "import sys; sys.path[0] = {root!r};"
    " from ebpf_overhead.guest.{module} import main;"
    " del sys.path[0]; {then}main(sys.argv[1:])"
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
    search : tuple of str
        Directories in which it looks for modules, after those that it looks in by itself.
    """

    executable: str
    names: tuple[str, ...]
    needed: tuple[Path, ...]
    search: tuple[str, ...] = ()

    @property
    def init_command(self) -> list[str]:
        """The command that becomes PID 1."""
        # -s: the user's own packages are not part of a measurement.
        return [self.executable, "-s", "-c", _bootstrap("init", self.search), CONFIGURATION]


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
    executable, *places = filter(None, _ask(python, "-I", "-c", _FACTS))
    absolute = str(Path(python).absolute())
    # The package by itself, too: what it lies in may be a home, which is not shown.
    own = [PACKAGE_ROOT / "ebpf_overhead", PACKAGE_ROOT / "probes", PACKAGE_ROOT]
    paths = [Path(executable), Path(absolute), *own, *map(Path, places)]
    return Interpreter(
        executable,
        tuple(sorted({python, absolute, executable})),
        tuple(path for path in paths if path.exists()),
    )


def loaded(python: str, *preload: str) -> list[str]:
    """Return the files that an interpreter works with when it has imported modules.

    Parameters
    ----------
    python : str
        Its path.
    *preload : str
        ``module``, or ``module:function``, of which the function is not called.

    Raises
    ------
    FailedError
        When it fails.
    """
    modules = [entry.partition(":")[0] for entry in preload]
    # As process 1 is started in the guest.
    return _ask(python, "-s", "-c", _bootstrap("loaded"), *modules)


def packages(python: str) -> list[str]:
    """Return the directories of an interpreter's installed modules that are written in Python."""
    return _ask(python, "-I", "-c", _PACKAGES)


def _bootstrap(module: str, search: tuple[str, ...] = ()) -> str:
    then = f"sys.path += {list(search)!r}; " if search else ""
    return _BOOTSTRAP.format(root=str(PACKAGE_ROOT), module=module, then=then)


def compile_sources(directory: Path = PACKAGE_ROOT / "ebpf_overhead") -> None:
    """Byte-compile what runs in the guest, which could not keep the result.

    Best effort: what cannot be written is compiled in each boot, or by each command.
    """
    compileall.compile_dir(directory, quiet=2)


@lru_cache(maxsize=8)
def _ask(python: str, *arguments: str) -> list[str]:
    try:
        done = subprocess.run([python, *arguments], capture_output=True, text=True, check=False)
    except OSError as error:
        raise MissingToolError(
            f"Python interpreter {python} does not run: {error.strerror}", "give another"
        ) from None
    if done.returncode:
        raise FailedError(f"Python interpreter {python} fails: {done.stderr.strip()[-200:]}")
    # What a module prints when it is imported comes before.
    answer: list[str] = json.loads(done.stdout.splitlines()[-1])
    return answer
