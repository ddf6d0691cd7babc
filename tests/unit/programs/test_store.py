"""Compiled programs on disk: found again, never another user's, never too many."""

from __future__ import annotations

import os
import stat

import pytest
from processes import start_python

from ebpf_overhead.programs import store
from ebpf_overhead.programs.program_object import Function, ProgramObject

NOBODY = 65534


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Where objects are kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(store.OBJECTS_VARIABLE, raising=False)
    return tmp_path / "cache/ebpf-overhead/objects"


def an_object(number: int = 0, **made_from: str) -> ProgramObject:
    return ProgramObject({"program": Function(bytes([number] * 8))}, made_from=made_from)


def test_kept_and_found_again(place):
    assert store.find("a" * 32) is None
    store.keep("a" * 32, an_object())
    assert store.find("a" * 32) == an_object()
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["header.h", "library.so"])
def test_object_of_files_that_changed_is_not_used(place, tmp_path, name):
    path = tmp_path / name
    path.write_text("one")
    made = an_object(**{str(path): store.fingerprint(path)})
    store.keep("a", made)
    assert store.find("a") == made
    path.write_text("another")
    assert store.find("a") is None
    path.unlink()
    assert store.find("a") is None


def test_header_is_known_by_what_is_in_it(tmp_path):
    """A fresh clone has headers of another time."""
    path = tmp_path / "header.h"
    path.write_text("one")
    before = store.fingerprint(path)
    os.utime(path, (1, 1))
    assert store.fingerprint(path) == before


@pytest.mark.parametrize("damage", ["", "{", '{"format": 0}'])
def test_damaged_object_is_compiled_again(place, damage):
    store.keep("a", an_object())
    (place / "a.json").write_text(damage)
    assert store.find("a") is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("foreign", [".", "a.json", ".."])
def test_another_users_objects_are_not_loaded(place, foreign):
    store.keep("a", an_object())
    os.chown(place / foreign, NOBODY, -1)
    assert store.find("a") is None
    store.keep("b", an_object())
    assert (place / "b.json").exists() == (foreign == "a.json")


@pytest.mark.parametrize("writable", [".", "a.json"])
def test_objects_that_others_may_write_are_not_loaded(place, writable):
    store.keep("a", an_object())
    (place / writable).chmod(0o777)
    assert store.find("a") is None


def test_place_that_cannot_be_written_is_no_failure(place):
    place.parent.mkdir(parents=True)
    place.write_text("no directory")
    store.keep("a", an_object())
    assert store.find("a") is None


def test_directory_of_the_environment(place, tmp_path, monkeypatch):
    """What a guest is told."""
    store.keep("a", an_object())
    (tmp_path / "share").mkdir()
    for name, text in store.usable():
        (tmp_path / "share" / name).write_text(text)
    monkeypatch.setenv(store.OBJECTS_VARIABLE, str(tmp_path / "share"))
    assert store.find("a") == an_object()
    store.keep("b", an_object(1))
    assert store.find("b") == an_object(1)
    assert not (place / "b.json").exists()


def test_only_what_may_be_used_is_given_to_a_guest(place, tmp_path):
    header = tmp_path / "header.h"
    header.write_text("one")
    store.keep("stale", an_object(**{str(header): store.fingerprint(header)}))
    store.keep("fresh", an_object())
    header.write_text("another")
    (place / "damaged.json").write_text("{")
    assert [name for name, _ in store.usable()] == ["fresh.json"]
    place.chmod(0o777)
    assert list(store.usable()) == []


def test_the_ones_used_last_are_given_to_a_guest(place, monkeypatch):
    monkeypatch.setattr(store, "_MOST_GIVEN", 2)
    for number in range(4):
        store.keep(f"{number}", an_object(number))
        os.utime(place / f"{number}.json", (number, number))
    assert store.find("1") is not None, "it is used now"
    assert [name for name, _ in store.usable()] == ["1.json", "3.json"]


def test_there_are_never_too_many_and_the_ones_in_use_stay(place, monkeypatch):
    monkeypatch.setattr(store, "_MOST_OBJECTS", 8)
    monkeypatch.setattr(store, "_USED_S", 0)
    for number in range(30):
        store.keep(f"{number:02}", an_object(number))
        os.utime(place / f"{number:02}.json", (number, number))
        assert store.find("00") is not None, "it is used all the time"
    names = sorted(path.stem for path in place.iterdir())
    assert len(names) <= 8
    assert {"00", "29"} <= set(names)


WRITE = """
import sys
from ebpf_overhead.programs import store
from ebpf_overhead.programs.program_object import Function, ProgramObject

made = ProgramObject({"program": Function(bytes([int(sys.argv[1])] * 8))})
while True:
    store.keep("a", made)
    print(flush=True)
"""


def test_two_writers_and_a_reader(place):
    """Whoever reads sees one object or the other."""
    with start_python(WRITE, "1") as one, start_python(WRITE, "2") as other:
        for writer in (one, other):
            writer.stdout.readline()
        seen = []
        for _ in range(200):
            seen += [store.find("a") for _ in range(5)]
            one.stdout.readline()
            other.stdout.readline()
        for writer in (one, other):
            writer.kill()
    assert all(found in (an_object(1), an_object(2)) for found in seen)
