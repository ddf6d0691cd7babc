"""Settings of object files, as the command line has them."""

from __future__ import annotations

import pytest

from ebpf_overhead.errors import BadUseError
from ebpf_overhead.programs.catalogue import programs_named
from ebpf_overhead.programs.object_settings import AS_BUILT, ObjectSettings, object_settings


def test_settings():
    assert object_settings((), (), ()) == AS_BUILT
    assert object_settings(
        ["enter"],
        ["counts=4096", "stacks=8:1016"],
        ["wanted=3", "text=a=b", "CONFIG_HZ=250", "CONFIG_X=y"],
    ) == ObjectSettings(
        ("enter",),
        (("counts", 4096, 0), ("stacks", 8, 1016)),
        (("wanted", "3"), ("text", "a=b")),
        "CONFIG_HZ=250\nCONFIG_X=y\n",
    )


def test_places_of_programs():
    wanted = ["enter=kprobe/f", "leave", "enter=kprobe/g", "enter=kprobe/f"]
    settings = object_settings(wanted, (), ())
    assert settings.programs == ("enter", "leave")
    assert settings.sections("enter", "kprobe") == ("kprobe/f", "kprobe/g")
    assert settings.sections("leave", "kretprobe") == ("kretprobe",)


@pytest.mark.parametrize("text", ["enter=", "=kprobe/f", "="])
def test_what_is_no_place(text):
    with pytest.raises(BadUseError, match="is no NAME=SECTION; write --only"):
        object_settings([text], (), ())


@pytest.mark.parametrize(
    "size", ["counts", "=3", "counts=", "counts=0", "counts=-1", "c=4294967296"]
)
def test_what_is_no_size(size):
    with pytest.raises(BadUseError, match="MAP=ENTRIES"):
        object_settings((), [size], ())


@pytest.mark.parametrize("value", ["wanted", "=3"])
def test_what_is_no_value(value):
    with pytest.raises(BadUseError, match="VARIABLE=VALUE"):
        object_settings((), (), [value])


def test_variables_of_the_configuration_that_nothing_is_known_of():
    settings = object_settings((), (), ("CONFIG_HZ=250", "CONFIG_HZ_250=y"))
    assert settings.unknown_of({"CONFIG_HZ", "CONFIG_Z", "CONFIG_HZ_2"}) == [
        "CONFIG_HZ_2",
        "CONFIG_Z",
    ]


@pytest.mark.parametrize(
    "given", [(["a"], [], []), ([], ["counts=17"], []), ([], [], ["a=1"]), ([], [], ["CONFIG_A=y"])]
)
def test_settings_of_no_file_are_refused(given):
    """The shipped programs would be measured as they are, and not as was asked."""
    settings = object_settings(*given)
    with pytest.raises(BadUseError, match="of a file of your own, and none was named; name it"):
        programs_named(["complex"], settings)
    assert [each.name for each in programs_named(["complex"])] == ["complex"]
