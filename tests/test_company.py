"""Several programs on one target: who is attached when, and who is given back."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
from processes import open_descriptors

from ebpf_overhead import clock
from ebpf_overhead.attach import Probe
from ebpf_overhead.bpf import ProgType, TraceAttachType
from ebpf_overhead.cases import select
from ebpf_overhead.company import Beside, load_company
from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.programs import LoadedAs

KPROBE, FENTRY = (select([name], ["empty"])[0] for name in ("kprobe", "fentry"))


class Kernel:
    """Takes so many programs, and remembers in which order they came."""

    def __init__(self, room=100):
        self.room = room
        self.loaded = []
        self.came = []
        self.loaded_anew = []

    def load(self, case):
        number = len(self.loaded)
        loaded_as = LoadedAs(ProgType.KPROBE, TraceAttachType.NONE, number)
        compiled = SimpleNamespace(load_again=self._load_again)
        self.loaded.append(
            Probe(case, compiled, _open(), "hook", lambda: self._hook(number), loaded_as)
        )
        return self.loaded[-1]

    def _load_again(self, loaded_as):
        assert not self.loaded[loaded_as.btf_id].attached
        self.loaded_anew.append(loaded_as.btf_id)
        return _open()

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
    with load_company(kernel.load, KPROBE, Beside((FENTRY, FENTRY))) as probe:
        assert probe.case is KPROBE
        assert kernel.came == [0, 1]
        assert not probe.attached
        probe.attach()
        probe.attach()
        assert probe.attached
        probe.detach()
        assert [each.attached for each in probe.others] == [True, True]
        assert not probe.attached
    assert not any(kernel.attached)


def test_all_come_and_go_together():
    kernel = Kernel()
    with load_company(kernel.load, KPROBE, Beside((FENTRY, FENTRY), together=True)) as probe:
        assert kernel.came == []
        probe.attach()
        assert kernel.came == [0, 1, 2]
        assert probe.attached
        probe.detach()
        assert [probe.attached, *(each.attached for each in probe.others)] == [False] * 3


@pytest.mark.parametrize(
    ("clock_name", "together", "anew"),
    [("wall", False, [2]), ("wall", True, [2, 0, 1]), ("icount", True, [])],
)
def test_those_that_are_measured_are_loaded_anew_where_places_matter(
    monkeypatch, clock_name, together, anew
):
    monkeypatch.setenv(clock.VARIABLE, clock_name)
    kernel = Kernel()
    with load_company(kernel.load, KPROBE, Beside((FENTRY, FENTRY), together)) as probe:
        descriptors = [each.prog_fd for each in kernel.loaded]
        for _ in range(2):
            probe.switch(True)
            assert probe.attached
            assert [each.attached for each in probe.others] == [True, True]
        assert kernel.loaded_anew == anew * 2
        assert [each.prog_fd for each in kernel.loaded] == descriptors
        probe.switch(False)
        assert not probe.attached


def test_nobody_beside_it_is_the_probe_itself():
    kernel = Kernel()
    with load_company(kernel.load, KPROBE, Beside()) as probe:
        assert probe is kernel.loaded[0]
        assert not probe.others


@pytest.mark.parametrize("together", [False, True])
def test_a_hook_that_is_full_is_a_limit_of_the_kernel(together):
    kernel = Kernel(room=2)

    def attach_all():
        with load_company(kernel.load, KPROBE, Beside((KPROBE,) * 3, together)) as probe:
            probe.attach()

    with pytest.raises(UnsupportedError, match="E2BIG at attach: kprobe refused: full of programs"):
        attach_all()
    assert not any(kernel.attached)


def test_one_that_does_not_load_takes_the_others_with_it():
    kernel = Kernel()

    def load(case):
        if case is KPROBE:
            raise UnsupportedError("no kprobes")
        return kernel.load(case)

    with pytest.raises(UnsupportedError, match="no kprobes"):
        load_company(load, KPROBE, Beside((FENTRY,)))
    assert kernel.attached == [False]


def test_what_is_beside_in_words_and_numbers():
    some = Beside((FENTRY, KPROBE, FENTRY))
    assert (str(some), some.programs) == (" beside 2 fentry and 1 kprobe", 4)
    assert some.attach_types == {"fentry": 2, "kprobe": 1}
    assert str(Beside((FENTRY,), together=True)) == " with 1 fentry"
    assert str(Beside()) == ""
