"""Revisions that do not exist, where there are many: what is like none names where they are."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from asv.repo import NoSuchNameError
from asv.util import UserError

from ebpf_overhead.asv.plugin import revisions


def test_repository_is_named_where_no_tag_is_like_it(monkeypatch, tmp_path):
    def unknown(repo, name):
        raise NoSuchNameError(name)

    monkeypatch.setattr(revisions, "_hash_from_name", unknown)
    monkeypatch.chdir(tmp_path)
    tags = [f"6.{minor}.0-amd64" for minor in range(40)]
    repo = SimpleNamespace(_path=str(tmp_path / "history"), get_tags=lambda: tags)
    with pytest.raises(UserError, match=r"'nosuch'; git -C history tag lists them$"):
        revisions._known_hash(repo, "nosuch")
