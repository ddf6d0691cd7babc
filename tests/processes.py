"""Child processes that import the package of this tree, and ``ebpf-overhead`` itself."""

from __future__ import annotations

import ctypes
import gc
import os
import subprocess
import sys
from pathlib import Path

from ebpf_overhead.rights import CAPABILITIES

ROOT = Path(__file__).resolve().parent.parent
COMMAND = (
    sys.executable,
    "-c",
    "from ebpf_overhead.cli import main; main(prog_name='ebpf-overhead')",
)


def open_descriptors() -> int:
    """How many files this process has open, those of objects that nobody has any more left out."""
    gc.collect()
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def environment(**extra: str) -> dict[str, str]:
    """The environment of a child process that imports the package of this tree."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, **extra}


def run_command(
    *arguments: str, timeout: float = 120, without: tuple[str, ...] = (), **extra: str
) -> subprocess.CompletedProcess[str]:
    """Run ``ebpf-overhead`` in a process of its own, for that many seconds at most.

    ``without`` names capabilities that it is not to have.
    """
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(**extra),
        preexec_fn=lambda: drop(without),
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def drop(capabilities: tuple[str, ...]) -> None:
    """Give capabilities up; it takes effect at exec, for root: nobody else has them anyway."""
    pr_capbset_drop = 24
    for name in capabilities:
        ctypes.CDLL(None).prctl(pr_capbset_drop, CAPABILITIES[name], 0, 0, 0)


def start_command(*arguments: str) -> subprocess.Popen[str]:
    """Start ``ebpf-overhead``, its output in pipes."""
    return start_python(COMMAND[2], *arguments)


def start_python(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Start Python on a piece of code, its input and output in pipes."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
