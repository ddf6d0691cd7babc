"""Who QEMU runs as."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ebpf_overhead.guest import user
from ebpf_overhead.guest.user import User, choose, hand_over

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")


@pytest.mark.parametrize(
    ("ids", "mode", "readable"),
    [
        ((0, 0), 0o600, True),
        ((0, 0), 0o044, False),
        ((1, 0), 0o040, True),
        ((1, 0), 0o604, False),
        ((1, 1), 0o004, True),
        ((1, 1), 0o770, False),
    ],
)
def test_modes_decide_who_may_read_a_file(tmp_path, ids, mode, readable):
    path = tmp_path / "file"
    path.touch()
    status = path.stat()
    path.chmod(mode)
    someone = User(status.st_uid + ids[0], status.st_gid + ids[1])
    assert someone.may_read(path) == readable


def test_directory_must_be_searchable_too(tmp_path):
    status = tmp_path.stat()
    other = User(status.st_uid + 1, status.st_gid + 1)
    tmp_path.chmod(0o704)
    assert not other.may_read(tmp_path)
    tmp_path.chmod(0o705)
    assert other.may_read(tmp_path)


def test_a_plain_user_stays(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert choose(None, [Path("/root")]) == (None, "")


@AS_ROOT
def test_root_becomes_nobody(tmp_path):
    tmp_path.chmod(0o755)
    chosen, reason = choose(None, [tmp_path])
    assert chosen == user.unprivileged()
    assert chosen.uid != 0
    assert reason == ""


@AS_ROOT
def test_root_becomes_the_owner_of_the_share(tmp_path):
    os.chown(tmp_path, 1234, 1235)
    assert choose(tmp_path, []) == (User(1234, 1235), "")


@AS_ROOT
def test_root_stays_where_the_share_is_roots(tmp_path):
    assert choose(tmp_path, []) == (None, f"{tmp_path} belongs to root")


@AS_ROOT
def test_root_stays_where_nobody_could_read_what_is_shown(tmp_path):
    tmp_path.chmod(0o700)
    chosen, reason = choose(None, [tmp_path])
    assert chosen is None
    assert str(tmp_path) in reason


def test_root_stays_where_it_may_not_change(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(user, "_may_become", lambda wanted: False)
    assert choose(None, [])[0] is None


@AS_ROOT
def test_share_is_handed_over_whole_but_nothing_outside(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("file", "linked"):
        (outside / name).touch()
    share = tmp_path / "share"
    (share / "inner").mkdir(parents=True)
    (share / "inner/file").touch()
    (share / "to-directory").symlink_to(outside)
    (share / "to-file").symlink_to(outside / "file")
    os.link(outside / "linked", share / "hard")
    hand_over(share)
    uid = user.unprivileged().uid
    assert share.stat().st_uid == (share / "inner").stat().st_uid == uid
    assert (share / "inner/file").stat().st_uid == uid
    assert {path.stat().st_uid for path in (outside, *outside.iterdir())} == {0}
