"""Names that there are not: the closest ones are said, never all of many."""

from __future__ import annotations

import pytest

from ebpf_overhead.errors import ExitStatus, UnknownNameError, closest
from ebpf_overhead.hooks.attach_types import ATTACH_TYPES
from ebpf_overhead.programs.catalogue import PROGRAMS

MANY = [f"name_{number:02}" for number in range(46)]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("fentri", "fentry"),
        ("kprobe-multi", "kprobe_multi"),
        ("KPROBE", "kprobe"),
        ("tracepont", "tracepoint"),
        ("raw-tracepoint", "raw_tracepoint"),
        ("uprob", "uprobe"),
    ],
)
def test_closest_attach_type(name, found):
    assert closest(name, ATTACH_TYPES)[0] == found


@pytest.mark.parametrize("name", ["", "x", "[" * 100_000, "\x1b[2J", "é" * 1000])
def test_nothing_is_close_to_nonsense(name):
    assert closest(name, PROGRAMS) == []


def test_error_names_the_closest_and_is_bad_use():
    error = UnknownNameError("program", "name_5", MANY)
    assert str(error) == "no program is called 'name_5'; did you mean name_45, name_35 or name_25?"
    assert error.exit_status == ExitStatus.BAD_USE


def test_few_names_are_all_said_where_none_is_close():
    assert str(UnknownNameError("format", "xml", ["table", "csv", "json"])) == (
        "no format is called 'xml'; choose table, csv or json"
    )


def test_of_many_names_none_is_said_where_none_is_close():
    text = str(UnknownNameError("program", "zzz", MANY, "docs/programs.md lists them"))
    assert text == "no program is called 'zzz'; docs/programs.md lists them"


def test_names_that_go_on_where_a_name_ends_are_closest():
    kernels = ["6.1.0-55-amd64", "6.1.0-56-amd64", "6.12.118+deb13-amd64", "6.17.13-amd64"]
    assert sorted(closest("6.1", kernels)) == kernels[:2]
    assert closest("6.12", kernels) == ["6.12.118+deb13-amd64"]
    assert closest("6.121", kernels)[0] == "6.12.118+deb13-amd64"
    assert "6.17.13-amd64" in closest("6.18", kernels)
    assert closest("9.99", kernels) == []
