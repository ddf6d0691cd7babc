"""Several programs on one target: who is attached when, and who is given back."""

from __future__ import annotations

import os
from dataclasses import replace
from types import SimpleNamespace

import pytest
from processes import open_descriptors

from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.hooks.attach_type import by_name
from ebpf_overhead.hooks.cases import CoAttached, select
from ebpf_overhead.hooks.probe import Probe
from ebpf_overhead.hooks.probe_group import load_group
from ebpf_overhead.programs.code_flow import Code
from ebpf_overhead.programs.insn import Insn
from ebpf_overhead.programs.loaded import LoadedProgram
from ebpf_overhead.workload import clock

KPROBE, FENTRY = (select([name], ["empty"])[0] for name in ("kprobe", "fentry"))


class Kernel:
    """Takes so many programs, and remembers in which order they came."""

    def __init__(self, room=100):
        self.room = room
        self.loaded = []
        self.came = []
        self.reloaded = []

    def load(self, case):
        number = len(self.loaded)
        hooked = replace(case.attach, find=by_name, open=lambda *_: self._hook(number))
        compiled = SimpleNamespace(
            flow=Code(bytes(Insn(0x95)), {}),
            load=lambda loaded_as, what: self._load(number, loaded_as),
        )
        self.loaded.append(Probe(replace(case, attach=hooked), compiled, AttachPoint("f")))
        return self.loaded[-1]

    def _load(self, number, loaded_as):
        if number < len(self.loaded):
            assert not self.loaded[number].attached
            self.reloaded.append(number)
        return LoadedProgram(_open(), loaded_as)

    def _hook(self, number):
        if len(self.came) >= self.room:
            raise OSError(7, "Argument list too long")
        self.came.append(number)
        return _open()

    @property
    def attached(self):
        return [probe.attached for probe in self.loaded]


def _open():
    return os.open(os.devnull, os.O_RDONLY)


@pytest.fixture(autouse=True)
def everything_is_given_back():
    before = open_descriptors()
    yield
    assert open_descriptors() == before


def test_others_stay_while_the_last_comes_and_goes():
    kernel = Kernel()
    with load_group(
        kernel.load, replace(KPROBE, co_attached=CoAttached((FENTRY, FENTRY)))
    ) as group:
        assert group.probe.case.name == "getpid/kprobe/empty beside 2 fentry"
        assert kernel.came == [0, 1]
        assert not group.attached
        group.attach()
        group.attach()
        assert group.attached
        group.detach()
        assert [each.attached for each in group.others] == [True, True]
        assert not group.attached
    assert not any(kernel.attached)


def test_all_come_and_go_together():
    kernel = Kernel()
    with load_group(
        kernel.load, replace(KPROBE, co_attached=CoAttached((FENTRY, FENTRY), together=True))
    ) as group:
        assert kernel.came == []
        group.attach()
        assert kernel.came == [0, 1, 2]
        assert group.attached
        group.detach()
        assert [group.attached, *(each.attached for each in group.others)] == [False] * 3


@pytest.mark.parametrize(
    ("clock_name", "together", "reloaded"),
    [("wall", False, [2]), ("wall", True, [0, 1, 2]), ("icount", True, [])],
)
def test_those_that_are_measured_are_loaded_anew_where_layout_sensitive(
    monkeypatch, clock_name, together, reloaded
):
    monkeypatch.setenv(clock.VARIABLE, clock_name)
    kernel = Kernel()
    with load_group(
        kernel.load, replace(KPROBE, co_attached=CoAttached((FENTRY, FENTRY), together))
    ) as group:
        for _ in range(2):
            group.switch(True)
            assert group.attached
            assert [each.attached for each in group.others] == [True, True]
        assert kernel.reloaded == reloaded * 2
        group.switch(False)
        assert not group.attached


def test_probe_that_is_alone():
    kernel = Kernel()
    with load_group(kernel.load, replace(KPROBE, co_attached=CoAttached())) as group:
        assert group.probe is kernel.loaded[0]
        assert not group.others


@pytest.mark.parametrize("together", [False, True])
def test_a_hook_that_is_full_is_a_limit_of_the_kernel(together):
    kernel = Kernel(room=2)

    def attach_all():
        with load_group(
            kernel.load, replace(KPROBE, co_attached=CoAttached((KPROBE,) * 3, together))
        ) as group:
            group.attach()

    with pytest.raises(UnsupportedError, match="E2BIG at attach: kprobe refused: full of programs"):
        attach_all()
    assert not any(kernel.attached)


def test_one_that_does_not_load_takes_the_others_with_it():
    kernel = Kernel()

    def load(case):
        if case.attach is KPROBE.attach:
            raise UnsupportedError("no kprobes")
        return kernel.load(case)

    with pytest.raises(UnsupportedError, match="no kprobes"):
        load_group(load, replace(KPROBE, co_attached=CoAttached((FENTRY,))))
    assert kernel.attached == [False]


def test_what_is_beside_in_words_and_numbers():
    some = CoAttached((FENTRY, KPROBE, FENTRY))
    assert (str(some), some.programs) == (" beside 2 fentry and 1 kprobe", 4)
    assert some.attach_types == {"fentry": 2, "kprobe": 1}
    assert str(CoAttached((FENTRY,), together=True)) == " with 1 fentry"
    assert str(CoAttached()) == ""
