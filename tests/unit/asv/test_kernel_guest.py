"""Where the benchmarks of a revision run: in its guest, which is booted when one needs it."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from kernels_fakes import make_record
from processes import ROOT

pytest.importorskip("asv", reason="asv is not installed: pip install 'ebpf-overhead[bench]'")

from asv import util
from asv.config import Config

from ebpf_overhead.asv.plugin import kernel_guest
from ebpf_overhead.guest.variants import Variant
from ebpf_overhead.kernels.history import History

KERNEL = make_record("6.12.118+deb13-amd64", "6.12.118-1")
OTHER = make_record("7.3.4+deb13-amd64", "7.3.4-1~bpo13+1")
RUNNING = replace(make_record(os.uname().release, "6.18.1"), source="running")


class Runner(kernel_guest.GuestRunner):
    """One whose guests answer at once."""

    def __init__(self):
        super().__init__()
        self.booted = []

    def boot(self, revision, kernel, way, benchmarks, *, variant):
        self.leave(revision)
        self.variant = variant
        self.booted.append(kernel.release)
        self._guest = type("Alive", (), {"alive": True, "stop": lambda self: None})()

    def _run(self, argv, options):
        return "in the guest", 0


class Place:
    """An environment, the commits of its history, and the kernels that are here."""

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        self.history = History(folder / "history")
        self.history.sync([(record, None) for record in (KERNEL, OTHER, RUNNING)])
        self.commits = self.history.hashes()
        self.conf = Config.load(str(ROOT / "asv.kernels.json"))
        self.conf.env_dir, self.conf.repo = str(folder / "env"), str(self.history.path)
        monkeypatch.setenv("EBPF_OVERHEAD_DATA", str(folder / "data"))
        monkeypatch.setattr(kernel_guest, "GuestRunner", Runner)
        monkeypatch.setattr(util, "check_output", lambda *words, **options: ("on the host", "", 0))
        self.environment = kernel_guest.KernelGuest(self.conf, "3.11", {}, {})

    def add(self, record):
        folder = self.folder / "data/kernels" / record.release
        folder.mkdir(parents=True)
        (folder / "kernel.json").write_text(record.to_json())
        (folder / "origin.json").write_text('{"trust": "a test", "places": []}')

    def install(self, release):
        self.environment.install_project(self.conf, None, self.commits[release])

    def run(self, command="run"):
        words = ["benchmark.py", command, "suite", "name", "{}", "None", "result"]
        return self.environment.run(words, return_stderr=True)

    @property
    def booted(self):
        return self.environment._runner.booted


@pytest.fixture
def place(tmp_path, monkeypatch):
    return Place(tmp_path, monkeypatch)


def test_a_guest_is_booted_once_and_only_when_a_benchmark_runs(place):
    place.add(KERNEL)
    place.install(KERNEL.release)
    assert place.run("discover") == ("on the host", "", 0)
    assert place.booted == []
    assert [place.run() for _ in range(2)] == [("in the guest", "", 0)] * 2
    place.install(KERNEL.release)
    assert place.run("setup_cache") == ("in the guest", "", 0)
    assert place.booted == [KERNEL.release]
    assert "CLOCKicount" in place.environment.name


def test_each_revision_has_its_own_guest(place):
    for record in (KERNEL, OTHER):
        place.add(record)
        place.install(record.release)
        assert place.run() == ("in the guest", "", 0)
    assert place.booted == [KERNEL.release, OTHER.release]


def test_a_kernel_that_is_not_here_fails_and_says_how_to_get_it(place):
    place.install(KERNEL.release)
    for _ in range(2):
        output, _, status = place.run()
        assert f"ebpf-overhead kernels add {KERNEL.release}" in output
        assert status == 1
    assert place.booted == []


def test_another_build_of_a_revisions_kernel_is_not_measured_for_it(place):
    place.add(replace(KERNEL, build="#2 SMP"))
    place.install(KERNEL.release)
    output, _, status = place.run()
    assert "is another build here (#2 SMP)" in output
    assert status == 1
    assert place.booted == []


def test_the_running_kernel_is_measured_where_asv_runs(place):
    place.add(RUNNING)
    place.install(RUNNING.release)
    assert place.run() == ("on the host", "", 0)
    assert "CLOCKwall" in place.environment.name
    place.add(KERNEL)
    place.install(KERNEL.release)
    assert place.run() == ("in the guest", "", 0)


def test_a_revision_that_is_no_kernel_fails(place):
    place.environment.install_project(place.conf, None, "0" * 40)
    output, _, status = place.run()
    assert "revision 00000000 is no kernel of the history" in output
    assert status == 1


@pytest.mark.parametrize(("asked", "model"), [("max", ""), ("Nehalem", "Nehalem")])
def test_the_usual_cpu_may_be_named_beside_others(place, asked, model):
    place.add(KERNEL)
    variables = {("nobuild", "CPU"): asked}
    place.environment = kernel_guest.KernelGuest(place.conf, "3.11", {}, variables)
    place.install(KERNEL.release)
    place.run()
    assert place.environment._runner.variant == Variant(cpu_model=model)
    assert f"CPU{asked}" in place.environment.name
