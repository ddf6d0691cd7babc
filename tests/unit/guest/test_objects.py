"""Compiled programs in a guest's share: what the host has compiled is not compiled there."""

from __future__ import annotations

import os
import stat

import pytest

from ebpf_overhead.guest import launch
from ebpf_overhead.guest.user import User
from ebpf_overhead.programs import store
from ebpf_overhead.programs.program_object import Function, ProgramObject

NOBODY = 65534
MADE = ProgramObject({"program": Function(bytes(8))})


@pytest.fixture
def share(tmp_path, monkeypatch):
    """A share, and a stored object."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(store.OBJECTS_VARIABLE, raising=False)
    store.keep("a", MADE)
    (tmp_path / "share").mkdir()
    return tmp_path / "share"


def test_guest_finds_what_is_compiled_and_keeps_what_it_compiles(share, monkeypatch):
    launch._give_objects(share / "objects", None)
    variables = launch._environment("icount", share)
    monkeypatch.setenv(store.OBJECTS_VARIABLE, variables[store.OBJECTS_VARIABLE])
    assert store.find("a") == MADE
    store.keep("b", MADE)
    assert store.find("b") == MADE
    assert (share / "objects/b.json").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_objects_belong_to_whom_qemu_runs_as(share):
    """QEMU serves the share with its own privileges."""
    launch._give_objects(share / "objects", User(NOBODY, NOBODY))
    for path in (share / "objects", share / "objects/a.json"):
        assert path.stat().st_uid == NOBODY
    assert stat.S_ISDIR((share / "objects").stat().st_mode)
