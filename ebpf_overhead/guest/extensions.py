"""Compiled modules of this project for guests of another architecture, by a cross compiler.

They are compiled against the headers and libraries of the guest's own programs, and kept beside
those.  Nothing of them runs on this machine.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import ebpf_overhead
from ebpf_overhead.architectures import Architecture
from ebpf_overhead.closing import scratch_directory
from ebpf_overhead.errors import FailedError, MissingToolError
from ebpf_overhead.kernels.userland import Userland

_PACKAGE = Path(ebpf_overhead.__file__).absolute().parent
# Module -> its sources; as in setup.py, which cannot be imported where the package is installed.
_MODULES = {
    "ebpf_overhead.workload._workload": "workload/_workload*.c",
    "ebpf_overhead.bpf._syscalls": "bpf/_syscalls.c",
}
_FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Wno-missing-field-initializers")


def built(architecture: Architecture, userland: Userland) -> dict[str, Path]:
    """Return the files of the compiled modules, by name; built now unless they are here.

    Parameters
    ----------
    architecture : Architecture
        The guest's.
    userland : Userland
        Its programs.

    Raises
    ------
    MissingToolError
        There is no compiler for it, or the package has no sources of them.
    FailedError
        They do not compile.
    """
    compiler = f"{architecture.triplet}-gcc"
    path = shutil.which(compiler)
    if path is None:
        raise MissingToolError(
            f"{compiler} is not installed, which compiles for guests of {architecture.debian}",
            f"apt-get install --no-install-recommends gcc-{architecture.triplet}",
        )
    return {name: _built(path, name, userland) for name in _MODULES}


def _built(compiler: str, module: str, userland: Userland) -> Path:
    sources = sorted(_PACKAGE.glob(_MODULES[module]))
    if not sources:
        raise MissingToolError(
            f"{_PACKAGE} has no {_MODULES[module]}", "install ebpf-overhead again"
        )
    headers = sorted(sources[0].parent.glob("*.h"))
    command = [compiler, "-shared", "-fPIC", *_FLAGS, f"--sysroot={userland.root}"]
    command.append(f"-I{userland.root}/usr/include/{userland.python.name}")
    version = Path(compiler).resolve()
    made_of = [*map(str, command), str(version), str(version.stat().st_mtime_ns)]
    contents = b"".join(path.read_bytes() for path in (*sources, *headers))
    digest = hashlib.sha256("\0".join(made_of).encode() + contents).hexdigest()[:32]
    target = userland.directory / "extensions" / f"{module}-{digest}.so"
    if not target.exists():
        _compile([*command, *map(str, sources)], target)
    return target


def _compile(command: list[str], target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    with scratch_directory(target.parent) as folder:
        partial = folder / "module.so"
        done = subprocess.run(
            [*command, "-o", str(partial)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            said = [line for line in done.stderr.splitlines() if "error" in line]
            raise FailedError(
                f"{target.name.partition('-')[0]} does not compile for another architecture: "
                f"{said[0] if said else done.stderr.strip()[-200:]}",
                f"remove {target.parents[1]} and add a kernel again, which fetches its headers",
            )
        partial.rename(target)  # Others see it whole, or not at all.
