"""Directories that another user could have written to."""

import os

import pytest

from ebpf_overhead import trust
from ebpf_overhead.errors import BadUseError

STRANGER = 54321


@pytest.fixture
def give_away():
    if os.geteuid() != 0:
        pytest.skip("only root can give a file to another user")
    return lambda path: os.chown(path, STRANGER, -1, follow_symlinks=False)


def refused(path, why):
    with pytest.raises(BadUseError, match=why):
        trust.refuse_foreign(path)


def test_ones_own_directory_is_used_also_where_it_does_not_exist_yet(tmp_path):
    trust.refuse_foreign(tmp_path)
    trust.refuse_foreign(tmp_path / "not" / "yet")
    trust.refuse_foreign_tree(tmp_path / "not" / "yet")


def test_another_users_directory_is_refused(tmp_path, give_away):
    place = tmp_path / "data"
    place.mkdir()
    give_away(place)
    refused(place, f"belongs to user {STRANGER}")
    refused(place / "history", f"{place} belongs to user {STRANGER}")


def test_everybodys_directory_is_refused(tmp_path):
    tmp_path.chmod(0o757)
    refused(tmp_path, "everybody can write")
    tmp_path.chmod(0o1757)
    refused(tmp_path, "everybody can write")


def test_below_a_sticky_directory_only_the_owner_counts(tmp_path):
    tmp_path.chmod(0o1777)
    own = tmp_path / "own"
    own.mkdir()
    trust.refuse_foreign(own)
    tmp_path.chmod(0o777)
    refused(own, f"everybody can write to {tmp_path}")


@pytest.mark.parametrize(("members", "used"), [([], True), (["stranger"], False)])
def test_group_rights_count_if_another_user_has_them(tmp_path, monkeypatch, members, used):
    import grp
    import pwd

    own = pwd.struct_passwd(("own", "x", os.geteuid(), 4242, "", "/", ""))
    stranger = pwd.struct_passwd(("stranger", "x", STRANGER, STRANGER, "", "/", ""))
    monkeypatch.setattr(pwd, "getpwall", lambda: [own, stranger])
    monkeypatch.setattr(grp, "getgrgid", lambda gid: grp.struct_group(("own", "x", 4242, members)))
    tmp_path.chmod(0o775)
    if used:
        trust.refuse_foreign(tmp_path)
    else:
        refused(tmp_path, "group .* can write")


def test_a_link_counts_by_its_owner_and_by_where_it_leads(tmp_path, give_away):
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to("./real/../real")
    trust.refuse_foreign(link / "history")
    give_away(link)
    refused(link, f"{link} belongs to user {STRANGER}")
    link.unlink()
    link.symlink_to(real)
    give_away(real)
    refused(link / "history", f"{real} belongs to user {STRANGER}")


def test_a_circle_of_links_is_refused(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    refused(tmp_path / "a", "symbolic links")


def test_one_file_of_another_user_spoils_a_tree(tmp_path, give_away):
    deep = tmp_path / "hooks"
    deep.mkdir()
    trust.refuse_foreign_tree(tmp_path)
    (deep / "hook").touch()
    give_away(deep / "hook")
    with pytest.raises(BadUseError, match=f"{deep}/hook belongs to user {STRANGER}"):
        trust.refuse_foreign_tree(tmp_path)
