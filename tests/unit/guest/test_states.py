"""Saved states on disk: what fits, what does not any more, and what nobody else may see."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ebpf_overhead.errors import BadUseError
from ebpf_overhead.guest import states

KEY = states.key_of(["6.12", "qemu"])


@pytest.fixture
def place(tmp_path):
    return tmp_path / "states/6.12"


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "agent.py"
    path.write_text("first")
    return path


def save(place, source, content=b"stream", key=KEY):
    saving = states.Saving(place, key, "pvh.bin", states.fingerprints([str(source)]))
    os.write(saving.descriptor, content)  # As QEMU does.
    saving.publish()
    os.close(saving.descriptor)


def read(state):
    try:
        return os.read(state.descriptor, 100)
    finally:
        os.close(state.descriptor)


def test_state_is_read_on_from_what_qemu_wrote(place, source):
    save(place, source)
    state = states.find(place, KEY)
    assert state.intact
    assert state.boot_program == "pvh.bin"
    assert read(state) == b"stream"


def test_there_is_none_before_it_is_published_and_a_crash_leaves_nothing(place, source):
    saving = states.Saving(place, KEY, "pvh.bin", {})
    os.write(saving.descriptor, b"half")
    assert states.find(place, KEY) is None
    os.close(saving.descriptor)
    assert list(place.iterdir()) == []


def test_nobody_else_can_read_it(place, source):
    save(place, source)
    (path,) = place.iterdir()
    assert path.stat().st_mode & 0o077 == 0
    assert place.stat().st_mode & 0o077 == 0


def test_what_was_made_from_something_else_is_removed(place, source):
    save(place, source)
    source.write_text("second edition")
    assert states.find(place, KEY) is None
    assert list(place.iterdir()) == []


def test_another_key_finds_nothing_and_removes_nothing(place, source):
    save(place, source)
    assert states.find(place, states.key_of(["6.12", "another qemu"])) is None
    assert len(list(place.iterdir())) == 1


@pytest.mark.parametrize("at", [-1, -40])
def test_damage_is_found(place, source, at):
    save(place, source, b"x" * 100)
    (path,) = place.iterdir()
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    state = states.find(place, KEY)
    assert not state.intact
    state.discard()
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"\n", b"{}\n", b"7\n", b'["pvh.bin", 1]\n', b"\xff\xfe"])
def test_file_that_is_no_state_is_removed(place, source, content):
    save(place, source)
    (path,) = place.iterdir()
    path.write_bytes(content)
    assert states.find(place, KEY) is None
    assert list(place.iterdir()) == []


def test_truncated_state_is_damaged(place, source):
    save(place, source, b"x" * 100)
    (path,) = place.iterdir()
    os.truncate(path, path.stat().st_size - 1)
    state = states.find(place, KEY)
    assert not state.intact
    os.close(state.descriptor)


def test_two_writers_leave_one_state_that_is_whole(place, source):
    first, second = (states.Saving(place, KEY, "pvh.bin", {}) for _ in range(2))
    os.write(first.descriptor, b"first")
    os.write(second.descriptor, b"second")
    for saving in (first, second):
        saving.publish()
        os.close(saving.descriptor)
    assert len(list(place.iterdir())) == 1
    state = states.find(place, KEY)
    assert state.intact
    assert read(state) == b"second"


def test_the_same_state_twice_is_one(place, source):
    save(place, source)
    save(place, source)
    assert len(list(place.iterdir())) == 1


def test_reader_keeps_what_is_replaced_meanwhile(place, source):
    save(place, source, b"old")
    state = states.find(place, KEY)
    save(place, source, b"new")
    assert state.intact
    assert read(state) == b"old"


def test_those_that_were_not_used_for_longest_go_first(tmp_path, source, monkeypatch):
    monkeypatch.setattr(states, "MOST_BYTES", 1100)
    names = ("a", "b", "c")
    for age, name in enumerate(names):
        save(tmp_path / "states" / name, source, b"x" * 200)
        for path in (tmp_path / "states" / name).iterdir():
            os.utime(path, (1_000_000 + age, 1_000_000 + age))
    (used,) = (tmp_path / "states/a").iterdir()
    os.close(states.find(used.parent, KEY).descriptor)
    sizes = sum(path.stat().st_size for path in tmp_path.glob("states/*/*"))
    monkeypatch.setattr(states, "MOST_BYTES", sizes)
    save(tmp_path / "states/d", source, b"x" * 200)
    left = [name for name in (*names, "d") if list((tmp_path / "states" / name).iterdir())]
    assert left == ["a", "c", "d"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of others")
def test_what_another_user_could_have_written_is_not_used(place, source):
    save(place, source)
    (path,) = place.iterdir()
    os.chown(path, 65534, 65534)
    assert states.find(place, KEY) is None
    os.chown(place, 65534, 65534)
    with pytest.raises(BadUseError, match="belongs to user 65534"):
        states.Saving(place, KEY, "pvh.bin", {})


def test_fingerprint_of_what_is_gone(tmp_path):
    assert states.fingerprints([str(Path(tmp_path, "gone"))]) == {f"{tmp_path}/gone": None}
