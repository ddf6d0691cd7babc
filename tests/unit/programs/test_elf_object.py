"""Objects in files: found, refused where they are none, and what programs they have."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from ebpf_overhead.errors import BadUseError
from ebpf_overhead.programs import elf_object
from ebpf_overhead.programs.elf_object import (
    ObjectFunction,
    asked_of_configuration,
    functions,
    object_in,
)

OBJECTS = Path(__file__).parents[2] / "data" / "objects"


@pytest.fixture
def file(tmp_path):
    def write(content: bytes) -> Path:
        path = tmp_path / "tool"
        path.write_bytes(content)
        return path

    return write


def content(name: str) -> bytes:
    return (OBJECTS / f"{name}.bpf.o").read_bytes()


def test_the_programs_of_an_object_in_its_order():
    assert functions(content("pair")) == [
        ObjectFunction("enter", "raw_tp/sys_enter"),
        ObjectFunction("leave", "raw_tp/sys_exit"),
        ObjectFunction("unasked", "?tp_btf/sys_enter"),
    ]
    assert [each.is_loaded for each in functions(content("pair"))] == [True, True, False]


@pytest.mark.parametrize("name", ["simple-tracepoint", "pair", "settings"])
def test_an_object_is_found_wherever_it_is_in_a_file(file, name):
    whole = content(name)
    assert object_in(OBJECTS / f"{name}.bpf.o") == whole
    # An executable, the object, and what looks like the beginning of another one.
    assert object_in(file(b"\x7fELF\x02\x01\x01" + bytes(997) + whole + whole[:64])) == whole


def test_the_same_object_twice_is_one(file):
    whole = content("pair")
    assert object_in(file(whole + whole)) == whole


def test_two_objects_are_told_apart_by_their_programs(file):
    path = file(content("pair") + content("settings"))
    with pytest.raises(
        BadUseError, match="holds 2 BPF objects, with the programs enter, leave, unasked; settings"
    ):
        object_in(path)


def changed(place: int, value: bytes) -> bytes:
    whole = content("pair")
    return whole[:place] + value + whole[place + len(value) :]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is no ELF file"),
        (b"int program(void *ctx)", "it is no ELF file"),
        (b"\x7fELF", "it is not a 64-bit ELF file"),
        (changed(4, b"\x01"), "it is not a 64-bit ELF file"),  # of 32 bits
        (changed(5, b"\x02"), "in this machine's byte order"),
        (changed(18, struct.pack("=H", 62)), "it is for machine 62, not 247"),
        (changed(16, struct.pack("=H", 2)), "it is damaged"),  # an executable
        (content("pair")[:-1], "it is damaged"),
        (changed(40, struct.pack("=Q", 1 << 63)), "it is damaged"),  # sections far away
        (changed(58, struct.pack("=H", 40)), "it is damaged"),  # of another size
    ],
)
def test_what_is_no_object_says_what_it_is(file, content, why):
    with pytest.raises(BadUseError, match=f"holds no BPF object: .*{why}"):
        object_in(file(content))


def test_what_an_object_asks_of_the_kernels_configuration():
    assert asked_of_configuration(content("settings")) == {"CONFIG_HZ"}
    assert asked_of_configuration(content("pair")) == frozenset()
    assert asked_of_configuration(b"") == frozenset()


def test_another_users_file_is_not_read(file):
    path = file(content("pair"))
    path.chmod(0o666)
    with pytest.raises(BadUseError, match="everybody can write"):
        object_in(path)


def test_larger_files_are_not_read(file, monkeypatch):
    monkeypatch.setattr(elf_object, "_LARGEST_FILE_BYTES", 100)
    with pytest.raises(BadUseError, match="more than 100 bytes"):
        object_in(file(content("pair")))


def test_an_object_is_bounded(file, monkeypatch):
    monkeypatch.setattr(elf_object, "_LARGEST_OBJECT_BYTES", 100)
    with pytest.raises(BadUseError, match="it is damaged"):
        object_in(file(content("pair")))


def test_damaged_objects_give_their_programs_or_say_that_they_are_damaged():
    """Whatever the bytes are: a list, or one line."""
    chance = random.Random(11)
    whole = content("pair")
    said = []
    for _ in range(2_000):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 8)):
            damaged[chance.randrange(64 if chance.random() < 0.5 else len(whole))] ^= 1 << (
                chance.randrange(8)
            )
        try:
            functions(bytes(damaged))
        except BadUseError as error:
            said.append(str(error))
    assert 0 < len(said) < 2_000
    assert all("damaged" in each for each in said)
