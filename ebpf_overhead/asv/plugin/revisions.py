"""Revisions that do not exist: one line with the closest tags, where asv ends in a traceback."""

from __future__ import annotations

import os
import re

from asv.plugins.git import Git
from asv.repo import NoSuchNameError
from asv.util import UserError

from ebpf_overhead.errors import UnknownNameError

_hash_from_name = Git.get_hash_from_name
_hashes_from_range = Git.get_hashes_from_range

# A stored result may be of a commit that this repository does not have.
_HASH = re.compile(r"[0-9a-f]{4,40}")


def install() -> None:
    """Have asv look for the revisions that it is given before it uses them."""
    Git.get_hash_from_name = _known_hash
    Git.get_hashes_from_range = _known_hashes


def _known_hash(repo: Git, name: str | None) -> str:
    try:
        return str(_hash_from_name(repo, name))
    except NoSuchNameError:
        if name is None or _HASH.fullmatch(name):
            raise
        where = os.path.relpath(repo._path)
        remedy = f"git -C {where} tag lists them"
        unknown = UnknownNameError("revision", name, repo.get_tags(), remedy)
        raise UserError(str(unknown)) from None


def _known_hashes(repo: Git, revisions: str) -> list[str]:
    for word in revisions.split():
        for name in re.split(r"\.{2,3}", word):
            if name and not name.startswith("-"):
                _known_hash(repo, re.sub(r"\^[!@-]\d*$", "", name.removeprefix("^")))
    return list(_hashes_from_range(repo, revisions))
