"""Programs that are Python's modules, in a process of their own: what the site is built with."""

from __future__ import annotations

import subprocess
import sys

from ebpf_overhead.errors import FailedError, MissingToolError
from ebpf_overhead.printable import shortened


def run(module: str, *arguments: str) -> None:
    """Run a module as a program, and say what it said last where it fails.

    Parameters
    ----------
    module : str
        Its name; the program has the same with dashes.
    *arguments : str
        The first names what it does.

    Raises
    ------
    MissingToolError
        It is not installed.
    FailedError
        It ended with another status than 0.
    """
    # Isolated: a module of the current directory may be another user's.
    done = subprocess.run(
        [sys.executable, "-I", "-m", module, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        said = done.stdout.decode(errors="replace").strip()
        if f"No module named {module}" in said:
            raise MissingToolError(f"{module} not found", "pip install 'ebpf-overhead[bench,docs]'")
        program = module.replace("_", "-")
        what = f"{program} {arguments[0]} ended with status {done.returncode}"
        raise FailedError(
            f"{what}: {shortened(said.splitlines()[-1] if said else 'no word')}",
            f"{program} {' '.join(arguments)} says more",
        )
