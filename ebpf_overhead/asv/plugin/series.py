"""Kernels by their series wherever asv takes a revision: ``6.12`` is its newest kernel."""

from __future__ import annotations

import re

from asv.plugins.git import Git

from ebpf_overhead.asv.workspace import Workspace
from ebpf_overhead.errors import UnknownNameError

_hash_from_name = Git.get_hash_from_name
_hashes_from_range = Git.get_hashes_from_range

# A release, a version or a series, as it stands alone or in a range: 6.1 and 7.3 of 6.1..7.3.
_KERNEL = re.compile(r"(?:(?<=\.\.)|(?<![\w.+-]))\d+\.\d+(?:[.+-][A-Za-z0-9]+)*")


def install(workspace: Workspace) -> None:
    """Have asv take the names of kernels that `Workspace.find` knows.

    Parameters
    ----------
    workspace : Workspace
        Has the kernels.
    """

    def in_full(text: str, measured: bool) -> str:
        return _KERNEL.sub(lambda match: _release(workspace, match[0], measured), text)

    # One name is of results that are shown or compared, a range of what is to be measured.
    def hash_from_name(repo: Git, name: str | None) -> str:
        return str(_hash_from_name(repo, name and in_full(name, measured=True)))

    def hashes_from_range(repo: Git, revisions: str) -> list[str]:
        return list(_hashes_from_range(repo, in_full(revisions, measured=False)))

    Git.get_hash_from_name = hash_from_name
    Git.get_hashes_from_range = hashes_from_range


def _release(workspace: Workspace, name: str, measured: bool) -> str:
    """Return the release of a kernel; what names none as it is, for asv to refuse."""
    try:
        return workspace.find(name, measured=measured)[1].release
    except UnknownNameError:
        return name
