"""Commits of the project, by whatever git calls them."""

from __future__ import annotations

import subprocess
from os import environ
from pathlib import Path

from ebpf_overhead.kernels.history import without_hooks


def commit_hash(folder: Path, name: str) -> str | None:
    """Return the hash of what git calls so: ``HEAD~1``; None where it knows nothing of the name.

    Parameters
    ----------
    folder : Path
        In the repository.
    name : str
        A revision.
    """
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"],
            cwd=folder,
            env=without_hooks(environ),
            capture_output=True,
            text=True,
            check=False,
        )
    except (OSError, ValueError):  # ValueError: a zero byte in the name.
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
