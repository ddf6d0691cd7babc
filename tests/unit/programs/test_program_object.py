"""Program objects: stored, read again, and filled in at load."""

from __future__ import annotations

import json
import struct

import pytest

from ebpf_overhead.errors import FailedError
from ebpf_overhead.programs.program_object import (
    Function,
    MapDefinition,
    ProgramObject,
    Reference,
)

LOAD_MAP = struct.pack("=BBhi", 0x18, 0x11, 0, 0) + bytes(8)
LOAD_64 = struct.pack("=BBhi", 0x18, 0x02, 0, 0) + bytes(8)
JUMP = struct.pack("=BBhi", 0x15, 0x01, 4, 0)


@pytest.fixture
def made() -> ProgramObject:
    function = Function(
        LOAD_MAP + JUMP + LOAD_64 + LOAD_64,
        (Reference(0, "counts"),),
        (Reference(2, "PID"), Reference(3, "ADDRESS"), Reference(5, "PID", 32)),
    )
    counts = MapDefinition("counts", 1, 4, 8, 64, 1, 2, 3)
    outer = MapDefinition("outer", 13, 4, 4, 8, inner="counts")
    return ProgramObject(
        {"program": function, "tail": Function(bytes(8))},
        (counts, outer),
        b"\x9f\xeb",
        made_from={"/x.h": "0f"},
    )


def test_stored_and_read_again_it_is_the_same(made):
    assert ProgramObject.of_json(made.to_json()) == made


def test_everything_is_filled_in(made):
    values = {"PID": 4242, "ADDRESS": 0xFEDC_BA98_7654_3210}
    code = made.functions["program"].linked({"counts": 9, "outer": 10}, values)
    assert code[:16] == struct.pack("=BBhi", 0x18, 0x11, 0, 9) + bytes(8)
    assert code[16:24] == struct.pack("=BBhi", 0x15, 0x01, 4, 4242)
    assert code[24:40] == struct.pack("=BBhI4xI", 0x18, 0x02, 0, 0x7654_3210, 0xFEDC_BA98)
    assert code[40:56] == struct.pack("=BBhI4xI", 0x18, 0x02, 0, 0, 4242)
    assert made.functions["program"].code[16:24] == JUMP, "the object stays as it is"


def test_tag_is_that_of_the_kernel():
    """Of ``b7 00 … 95 00 …``, r0 = 0; exit, as bpftool shows it on 6.12."""
    assert Function(bytes.fromhex("b7000000000000009500000000000000")).tag == "a04f5eef06a7f555"


def test_tag_is_the_same_whatever_is_filled_in(made):
    tag = made.functions["program"].tag
    assert tag == Function(made.functions["program"].code).tag
    assert tag != Function(made.functions["program"].code + bytes(8)).tag


@pytest.mark.parametrize("value", [-1, 1 << 31])
def test_number_that_does_not_fit(made, value):
    """The instruction would extend its sign: the program would compare with another number."""
    with pytest.raises(FailedError, match=f"PID={value} does not fit into 31 bits"):
        made.functions["program"].linked({"counts": 9}, {"PID": value, "ADDRESS": 0})


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 100_000, '{"format": 1}', "\ud800"])
def test_what_is_no_object(text):
    with pytest.raises(ValueError):
        ProgramObject.of_json(text)


@pytest.mark.parametrize(
    ("name", "value"),
    [("format", 0), ("functions", []), ("maps", [{}]), ("btf", "xy"), ("nonsense", 1)],
)
def test_object_of_another_version(made, name, value):
    with pytest.raises(ValueError):
        ProgramObject.of_json(json.dumps(json.loads(made.to_json()) | {name: value}))
