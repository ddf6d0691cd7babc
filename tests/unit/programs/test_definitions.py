"""What shipped programs are told about the machine and the process."""

from __future__ import annotations

import ctypes
import os

import pytest

from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.programs import definitions
from ebpf_overhead.programs.catalogue import PROGRAMS


def told(name: str) -> dict[str, int]:
    values = definitions.load_values(PROGRAMS[name])
    assert set(values.constants) == {each.name for each in definitions.CONSTANTS.get(name, ())}
    return {**values.constants, **values.max_entries}


@pytest.mark.parametrize("name", ["empty", "simple", "array"])
def test_nothing_where_nothing_is_needed(name):
    assert told(name) == {}


@pytest.mark.parametrize(
    ("processes", "entries"), [(1, 1 << 16), (32, 1 << 16), (33, 1 << 17), (10**6, 1 << 21)]
)
def test_complex_map_holds_every_key_of_every_process_twice(monkeypatch, processes, entries):
    class Proc:
        def __init__(self, path: str) -> None:
            assert path == "/proc"

        def glob(self, pattern: str) -> range:
            return range(processes)

    monkeypatch.setattr(definitions, "Path", Proc)
    monkeypatch.setattr(definitions, "_has_text", lambda path: True)
    assert told("complex") == {"counts": entries}
    assert entries == 1 << 21 or entries >= 2 * 1024 * processes


def test_kernel_threads_and_vanished_processes_do_not_count(tmp_path):
    (tmp_path / "thread").write_bytes(b"")
    (tmp_path / "process").write_bytes(b"init\0")
    assert [definitions._has_text(tmp_path / name) for name in ("thread", "process", "gone")] == [
        False,
        True,
        False,
    ]


def test_variants_of_one_source():
    assert [PROGRAMS[f"updates_{count}"].definitions for count in (1, 8, 64)] == [
        ("UPDATES=1",),
        ("UPDATES=8",),
        ("UPDATES=64",),
    ]
    assert PROGRAMS["updates_8"].file == "updates"


def test_text_is_where_it_is_said_to_be():
    for name in ("probe_read_user", "probe_read_user_str"):
        assert ctypes.string_at(told(name)["TARGET_TEXT"]) == b"x" * 63
        assert told(name)["TARGET_NS_PID"] == os.getpid()


def namespace(monkeypatch, number: int) -> None:
    class Link:
        def __init__(self, path: str) -> None:
            assert path == "/proc/self/ns/pid"

        def readlink(self) -> str:
            return f"pid:[{number}]"

    monkeypatch.setattr(definitions, "Path", Link)


def test_filter_is_for_this_process(monkeypatch):
    namespace(monkeypatch, 4026531836)
    assert told("filter_match") == {"FILTER_PID": os.getpid()}


def test_filter_that_no_process_passes():
    assert told("filter_mismatch")["FILTER_PID"] > 1 << 22  # PID_MAX_LIMIT


def test_process_ids_of_a_container_are_not_the_kernels(monkeypatch):
    namespace(monkeypatch, 4026532999)
    with pytest.raises(UnsupportedError, match="measure outside of the container"):
        told("filter_match")
