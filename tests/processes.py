"""Child processes that import the package of this tree, and ``ebpf-overhead`` itself."""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from refused_calls import refuse

from ebpf_overhead.bpf.privileges import CAPABILITIES

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
    *arguments: str,
    timeout: float = 120,
    without: tuple[str, ...] = (),
    refused: tuple[str, ...] = (),
    refused_with: int = errno.EPERM,
    **extra: str,
) -> subprocess.CompletedProcess[str]:
    """Run ``ebpf-overhead`` in a process of its own, for that many seconds at most.

    ``without`` names capabilities that it is not to have, ``refused`` system calls that are to
    fail, and ``refused_with`` by which error.
    """

    def prepare() -> None:
        drop(without)
        if refused:
            refuse(refused, refused_with)

    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(**extra),
        preexec_fn=prepare,
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


# Locks the file that the first argument names, says so, and ends when its input does.
_HOLDER = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
if len(sys.argv) > 2:
    os.setuid(int(sys.argv[2]))
fcntl.flock(fd, fcntl.LOCK_EX)
print(flush=True)
sys.stdin.read()
"""


@contextmanager
def saying_so(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Python on a piece of code, from when it has written a line; its input ends in the end."""
    with start_python(code, *arguments) as process:
        assert process.stdout.readline() == "\n"
        yield process
        process.stdin.close()


def holding_lock(place: str, *user: int):
    """Another process, perhaps of another user, while it holds the lock of the machine."""
    return saying_so(_HOLDER, place, *map(str, user))


_PROBE_HOLDER = """
import sys
from ebpf_overhead.hooks import probe as attach
from ebpf_overhead.hooks.cases import select
with attach.load(select(sys.argv[1:], ["complex"])[0]) as probe:
    probe.attach()
    print("attached", flush=True)
    sys.stdin.read()
"""


def start_probe_holder(attach_type: str) -> subprocess.Popen[str]:
    """Start a process that has the program complex attached until its input ends."""
    holder = start_python(_PROBE_HOLDER, attach_type)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "attached\n", holder.communicate()[1]
    return holder
