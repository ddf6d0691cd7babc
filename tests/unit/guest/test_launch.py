"""What is written into a share, to which an earlier guest may have written before."""

from __future__ import annotations

import os

import pytest

from ebpf_overhead.errors import BadUseError
from ebpf_overhead.guest import begin, launch
from ebpf_overhead.guest.user import unprivileged
from ebpf_overhead.guest.view import View


@pytest.fixture
def places(tmp_path, monkeypatch):
    for name in ("share", "outside"):
        (tmp_path / name).mkdir()
    (tmp_path / "outside/precious").write_text("precious")

    monkeypatch.setattr(launch.store, "usable", lambda: [("key.json", "{}")])
    return tmp_path


def give(places):
    user = unprivileged() if os.geteuid() == 0 else None
    launch._give_objects(places / "share/objects", user)
    assert (places / "share/objects/key.json").read_text() == "{}"
    assert not (places / "share/objects/key.json").is_symlink()
    assert (places / "outside/precious").read_text() == "precious"
    assert (places / "outside/precious").stat().st_uid == os.geteuid()
    assert (places / "outside").stat().st_uid == os.geteuid()
    assert [path.name for path in (places / "outside").iterdir()] == ["precious"]


def test_objects_are_given_with_their_directory(places):
    give(places)
    if os.geteuid() == 0:
        owners = {path.stat().st_uid for path in (places / "share").rglob("*")}
        assert owners == {unprivileged().uid}


def test_link_in_place_of_an_object_is_not_followed(places):
    (places / "share/objects").mkdir()
    (places / "share/objects/key.json").symlink_to(places / "outside/precious")
    give(places)


def test_link_in_place_of_the_directory_is_not_followed(places):
    (places / "share/objects").symlink_to(places / "outside")
    give(places)


def test_shown_files_that_lie_in_no_shown_directory_are_copied(tmp_path):
    for name in ("base", "mine.c"):
        (tmp_path / name).write_text(name)
    (tmp_path / "mine.c").chmod(0o640)
    (tmp_path / "run").mkdir()
    base, mine = (str(tmp_path / name) for name in ("base", "mine.c"))
    copies = launch._copies(View((), (base,)), View((), (base, mine)), tmp_path / "run")
    assert copies == [(mine, 0o640)]
    assert (tmp_path / "run/copies/0").read_text() == "mine.c"


def test_file_too_large_to_copy_is_refused(tmp_path):
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(65 << 20)
    with pytest.raises(BadUseError, match=r"large \(65 MiB\).*show the directory"):
        launch._copies(View(), View((), (str(large),)), tmp_path)


@pytest.mark.parametrize("there", [True, False])
def test_modules_are_where_the_guest_looks_for_them(tmp_path, there):
    host = tmp_path / "host/lib/modules"
    if there:
        host.mkdir(parents=True)
    tree = tmp_path / "kernel/lib/modules/6.12"
    tree.mkdir(parents=True)
    mounts = launch._mounts(View(("/usr",)), tree, str(host))
    place = str(host) if there else f"{begin.MODULES}/lib/modules"
    assert list(mounts.values()) == ["/usr", f"{place}/6.12"]
    assert launch._mounts(View(("/usr",)), None) == {"/usr": "/usr"}
