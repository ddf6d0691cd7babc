"""What runs inside a guest: this machine's own programs, or those of another architecture.

A guest of this machine's architecture runs the host's interpreter and sees its libraries.  One of
another architecture has a small system of its own in memory (`ebpf_overhead.kernels.userland`):
Python, NumPy and busybox.  Of the host it sees what is not compiled: this project and the modules
written in Python that are installed beside it, by the same paths.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ebpf_overhead import architectures
from ebpf_overhead.architectures import Architecture
from ebpf_overhead.guest import extensions, initrd, interpreter
from ebpf_overhead.guest.interpreter import PACKAGE_ROOT, Interpreter
from ebpf_overhead.guest.view import View, is_below, plan
from ebpf_overhead.kernels import userland
from ebpf_overhead.kernels.userland import Userland

# What of another architecture's system guests have no use for, and which would fill their memory.
_UNUSED = re.compile(
    r"usr/include/.*|usr/bin/(?!python3|busybox).*|.*/lib(python|db-|sqlite)[^/]*\.so[^/]*"
    r"|usr/lib/python3[^/]*/(.*/)?"
    r"(test|pydoc_data|idlelib|lib2to3|distutils|ensurepip|f2py|pkg_resources|tkinter)/.*"
)


@dataclass(frozen=True)
class Inside:
    """What runs inside a guest.

    Parameters
    ----------
    warm : Interpreter
        The interpreter that is kept warm.
    busybox : Path
        A static busybox for the guest, on this machine's disk.
    system : Path or None
        The root of a system of another architecture; None for this machine's own.
    extensions : mapping of str to Path
        The files of this project's compiled modules, where they are not beside the others.
    identity : str
        What tells the system from another one.
    """

    warm: Interpreter
    busybox: Path
    system: Path | None = None
    extensions: Mapping[str, Path] = field(default_factory=dict)
    identity: str = ""

    def seen(self, named: Iterable[Path] = ()) -> View:
        """Return what the guest sees of the host; `named` is what the user shows."""
        return plan(self.warm.needed, named, system=self.system is None)

    def loaded(self, python: str, preload: Sequence[str]) -> list[str]:
        """Return the files of the host that the warm interpreter works with.

        Parameters
        ----------
        python : str
            The host's interpreter.
        preload : sequence of str
            What it imports.
        """
        found = interpreter.loaded(python, *preload)
        if self.system is None:
            return found
        places = [str(path) for path in self.warm.needed]
        own = {each.name for each in self.system.glob("usr/lib/python3/dist-packages/*")}
        return [
            path
            for path in found
            if is_below(path, places) and ".so" not in Path(path).name and not _is_of(path, own)
        ]

    def files(self) -> list[tuple[str, Path]]:
        """Return (place in the guest, file) of all of another architecture's system."""
        if self.system is None:
            return []
        paths = ((str(each.relative_to(self.system)), each) for each in self.system.rglob("*"))
        return [(f"/{name}", path) for name, path in sorted(paths) if not _UNUSED.fullmatch(name)]


def inside(python: str, architecture: Architecture, userlands: Path) -> Inside:
    """Return what runs inside a guest.

    Parameters
    ----------
    python : str
        The host's interpreter that is kept warm, or whose modules are.
    architecture : Architecture
        The guest's.
    userlands : Path
        Where programs of other architectures are.

    Raises
    ------
    MissingToolError
        Something of it is not installed.
    """
    if architectures.is_here(architecture.name):
        return Inside(interpreter.inspect(python), initrd.busybox())
    programs = userland.find(userlands, architecture)
    return Inside(
        _foreign(python, programs),
        programs.busybox,
        programs.root,
        extensions.built(architecture, programs),
        programs.sha256,
    )


def _foreign(python: str, programs: Userland) -> Interpreter:
    host = interpreter.inspect(python)
    packages = [path for path in map(Path, interpreter.packages(python)) if path.is_dir()]
    own = [PACKAGE_ROOT / "ebpf_overhead", PACKAGE_ROOT / "probes"]
    return Interpreter(
        executable=str(programs.python),
        names=tuple(sorted({*host.names, str(programs.python)})),
        needed=tuple(path for path in (*own, *packages) if path.exists()),
        search=tuple(map(str, (PACKAGE_ROOT, *packages))),
    )


def _is_of(path: str, names: set[str]) -> bool:
    """Whether a file is of a package that the guest's system has itself."""
    _, installed, rest = path.partition("/site-packages/")
    return bool(installed) and rest.partition("/")[0] in names
