"""Functions of a tool's text, with the maps that they share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from ebpf_overhead.errors import BadUseError, FailedError, UnsupportedError
from ebpf_overhead.programs import bcc_tool, object_program
from ebpf_overhead.programs.catalogue import Program
from ebpf_overhead.programs.object_settings import ObjectSettings
from ebpf_overhead.programs.program_object import Function, MapDefinition, ProgramObject

MADE = ProgramObject(
    {"kfunc__vmlinux__f": Function(bytes(8)), "kprobe__g": Function(bytes(16))},
    (MapDefinition("start", 1, 4, 8, 64),),
)
F = Program("tool.c:kfunc__f", "", "", Path("tool.c"), function="kfunc__f", section="fentry/f")
G = replace(F, name="tool.c:kprobe__g", function="kprobe__g", section="kprobe/g")


@pytest.fixture(autouse=True)
def made(monkeypatch):
    """What BCC and the kernel make, and the sizes of maps that were asked for."""
    sizes: list[dict[str, int]] = []

    def make_maps(made, wanted):
        sizes.append(dict(wanted))
        return SimpleNamespace(fds={"start": 5})

    monkeypatch.setattr(bcc_tool, "compile_source", lambda source: MADE)
    monkeypatch.setattr(bcc_tool, "make_maps", make_maps)
    return sizes


def test_functions_of_a_tool_share_its_maps_if_they_are_measured_together(made):
    first = object_program.made(F)
    second = object_program.made(G, beside=first)
    assert (first.entry, second.entry) == ("kfunc__vmlinux__f", "kprobe__g")
    assert first.tag == MADE.functions["kfunc__vmlinux__f"].tag
    assert first.maps is second.maps
    assert made == [{}]
    assert object_program.made(G).maps is not first.maps
    assert made == [{}, {}]


def test_maps_have_the_sizes_that_are_asked_for(made):
    settings = ObjectSettings(map_sizes=(("start", 4096, 0),))
    object_program.made(replace(F, settings=settings))
    assert made == [{"start": 4096}]
    with pytest.raises(BadUseError, match=r"no map of tool\.c:kfunc__f is called 'begin'"):
        object_program.made(replace(F, settings=ObjectSettings(map_sizes=(("begin", 1, 0),))))


def test_function_that_is_not_compiled():
    with pytest.raises(UnsupportedError, match="compiled without kfunc__h: an #if leaves it out"):
        object_program.made(replace(F, function="kfunc__h"))
    with pytest.raises(FailedError) as caught:
        object_program.made(replace(F, function="trace", section=""))
    assert caught.value.remedy == "choose of kfunc__vmlinux__f, kprobe__g: --only"
