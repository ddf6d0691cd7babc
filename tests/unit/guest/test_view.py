"""What of the host is shown to a guest."""

from __future__ import annotations

from pathlib import Path

import pytest

from ebpf_overhead.guest import view
from ebpf_overhead.guest.view import View, is_private, plan


@pytest.fixture
def places(tmp_path):
    for name in ("a/venv/bin", "b/python/bin", "a-2"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "a/source.c").write_text("int x;")
    (tmp_path / "link").symlink_to(tmp_path / "b")
    return tmp_path


def see(*needed, named=()):
    return plan(needed, named, system=False)


def test_directory_is_shown_and_what_lies_in_it_with_it(places):
    seen = see(places / "a", places / "a/venv", places / "a/source.c", places / "a/venv/bin")
    assert seen == View((str(places / "a"),))


def test_similar_names_are_not_inside(places):
    assert see(places / "a/venv", places / "a-2").directories == (
        str(places / "a-2"),
        str(places / "a/venv"),
    )


def test_file_alone_is_copied_without_its_neighbours(places):
    seen = see(places / "a/source.c")
    assert seen == View((), (str(places / "a/source.c"),))


def test_link_is_made_again_and_its_target_shown(places):
    seen = see(places / "link/python")
    assert seen.directories == (str(places / "b/python"),)
    assert seen.links == ((str(places / "link/python"), str(places / "b/python")),)


def test_of_two_links_one_behind_the_other_the_first_is_made(places):
    seen = see(places / "link", places / "link/python")
    assert seen.directories == (str(places / "b"),)
    assert seen.links == ((str(places / "link"), str(places / "b")),)


@pytest.mark.parametrize("path", ["/", "/etc", "/home", "/root", "/var", "/var/log", "/tmp"])
def test_directories_of_everything_are_shown_only_when_named(path):
    assert is_private(Path(path))
    assert see(Path(path)) == View()
    if path != "/":
        assert path in see(named=[Path(path)]).directories


def test_homes_and_what_they_lie_in_are_private(places, monkeypatch):
    home = places / "people/me"
    home.mkdir(parents=True)
    monkeypatch.setattr(view, "_homes", lambda: frozenset([str(home)]))
    assert is_private(home)
    assert is_private(home.parent)
    assert not is_private(home / "project")
    (places / "shortcut").symlink_to(home)
    assert is_private(places / "shortcut")


def test_system_has_programs_and_libraries_but_no_keys():
    seen = plan([])
    assert "/usr" in seen.directories
    assert not [path for path in seen.directories if is_private(Path(path))]
    private = ("/etc/shadow", "/etc/gshadow", "/etc/ssh", "/etc/ssl/private")
    assert not [path for path in seen.files if path.startswith(private)]
    assert "/etc/passwd" in seen.files
