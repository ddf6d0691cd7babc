"""What the project itself costs: in instructions of a guest where that is possible."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# The guest's clock counts instructions there, so these do not depend on the machine.
KERNEL = os.environ.get("EBPF_OVERHEAD_SELFBENCH_KERNEL", "6.12")
COUNT = """
import json, os, subprocess, sys, tempfile, time
os.environ["EBPF_OVERHEAD_OBJECTS"] = tempfile.mkdtemp()
from ebpf_overhead.hooks import probe
from ebpf_overhead.hooks.cases import select

def spent(action, *arguments):
    began = time.monotonic_ns()
    result = action(*arguments)
    return time.monotonic_ns() - began, result

def start(code):
    subprocess.run([sys.executable, "-I", "-c", code], check=True)

(case,) = select(["fentry"], ["complex"])
counted = {}
first, loaded = spent(probe.load, case)
loaded.close()
counted["load"], loaded = spent(probe.load, case)
counted["compile"] = first - counted["load"]
counted["attach"], _ = spent(loaded.attach)
counted["detach"], _ = spent(loaded.detach)
loaded.close()
imports = "import ebpf_overhead.cli.measure"
start(imports)  # the host's files are read once
counted["import"] = spent(start, imports)[0] - spent(start, "pass")[0]
print(json.dumps(counted))
"""


class Guest:
    """What happens in a guest, counted by it; and what guests cost, in the host's seconds."""

    timeout = 900

    def setup_cache(self) -> dict[str, float]:
        """Boot one guest, and count everything in it."""
        from ebpf_overhead.errors import OverheadError
        from ebpf_overhead.guest.vm import Guest as VirtualMachine
        from ebpf_overhead.kernels.catalogue import find

        try:
            with VirtualMachine(find(KERNEL), restore=False) as guest:
                done = guest.run([sys.executable, "-c", COUNT])
                forked_s = [_seconds(guest, [sys.executable, "-c", "pass"]) for _ in range(9)]
                boot_s = guest.boot_seconds
        except OverheadError as error:
            print(error, file=sys.stderr)
            return {}
        if done.exit_status:
            raise RuntimeError(done.stderr)
        return {**json.loads(done.stdout), "boot": boot_s, "forked": statistics.median(forked_s)}

    def setup(self, found: dict[str, float]) -> None:
        """Skip everything where no guest can be booted."""
        if not found:
            raise NotImplementedError("no guest can be booted here")

    def track_import(self, found: dict[str, float]) -> float:
        """Count the import of what ``measure`` needs."""
        return found["import"]

    def track_compile(self, found: dict[str, float]) -> float:
        """Count the compilation of one program by BCC."""
        return found["compile"]

    def track_load(self, found: dict[str, float]) -> float:
        """Count the loading of a program that is compiled already."""
        return found["load"]

    def track_attach(self, found: dict[str, float]) -> float:
        """Count attaching it."""
        return found["attach"]

    def track_detach(self, found: dict[str, float]) -> float:
        """Count detaching it."""
        return found["detach"]

    def track_boot(self, found: dict[str, float]) -> float:
        """Time the boot of a guest, until it takes commands."""
        return found["boot"]

    def track_forked(self, found: dict[str, float]) -> float:
        """Time a command that does nothing, forked in the guest."""
        return found["forked"]


for _name in ("import", "compile", "load", "attach", "detach"):
    getattr(Guest, f"track_{_name}").unit = "instructions"
for _name in ("boot", "forked"):
    getattr(Guest, f"track_{_name}").unit = "s"


class Publish:
    """What publishing the committed results takes."""

    timeout = 900

    def track_cpu(self) -> float:
        """Return the CPU time of ``ebpf-overhead publish`` in a fresh clone."""
        with tempfile.TemporaryDirectory() as folder:
            clone = Path(folder) / "clone"
            command = ["git", "clone", "--quiet", "--shared", str(ROOT), str(clone)]
            subprocess.run(command, check=True)
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            command = [sys.executable, "-I", "-m", "ebpf_overhead.cli", "publish"]
            subprocess.run(command, cwd=clone, check=True, stdout=subprocess.DEVNULL)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    track_cpu.unit = "s"  # type: ignore[attr-defined]


def _seconds(guest: object, command: list[str]) -> float:
    began = time.monotonic()
    guest.run(command)  # type: ignore[attr-defined]
    return time.monotonic() - began
