"""What asv gets from a guest that is lost, that takes too long, or that never was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import pytest
from kernels_fakes import make_record

from ebpf_overhead.errors import FailedError, MissingToolError, UnsupportedError
from ebpf_overhead.guest.errors import GuestLostError, GuestTimeoutError
from ebpf_overhead.kernels.catalogue import Kernel
from ebpf_overhead.kernels.store import Origin
from ebpf_overhead.measure import machine_lock

pytest.importorskip("asv", reason="asv is not installed: pip install 'ebpf-overhead[bench]'")

from asv import util

from ebpf_overhead.asv.plugin import guest_runner, ways

RELEASE = "6.1.0-1"
KERNEL = Kernel(
    RELEASE, "x86_64", None, None, None, "debian", make_record(RELEASE), Path(), Origin("", ())
)
TIMED = ways.Way("wall", "kvm", "any")


class Completed:
    exit_status = 0


class StandIn:
    """A guest whose boots and commands end as the test says."""

    boots: ClassVar[list[object]] = []
    commands: ClassVar[list[object]] = []
    started = 0

    def __init__(self, kernel, **options):
        self.alive = False

    def start(self):
        type(self).started += 1
        if (end := self.boots.pop(0)) is not None:
            raise end
        self.alive = True

    def stop(self):
        self.alive = False

    def run(self, argv, *, cwd, env, timeout, on_output):
        end = self.commands.pop(0)
        on_output("stdout", b"said ")
        if isinstance(end, GuestLostError):
            self.alive = False
        if isinstance(end, Exception):
            raise end
        return Completed()


@pytest.fixture
def runner(monkeypatch, tmp_path):
    monkeypatch.setattr(guest_runner, "Guest", StandIn)
    monkeypatch.setattr(guest_runner, "share", lambda: tmp_path)
    StandIn.boots, StandIn.commands, StandIn.started = [None], [], 0
    return guest_runner.GuestRunner()


def command(runner, result="result"):
    argv = ["python", "benchmark.py", "run", "suite", "name", "{}", "None", str(result)]
    return runner.run(argv, {"return_stderr": True, "timeout": 5})


def test_lost_guest_costs_one_benchmark_and_the_next_finds_another(runner):
    StandIn.boots = [None, None]
    StandIn.commands = [GuestLostError("the guest is lost: panic", ""), None]
    runner.boot("a1", KERNEL, ways.emulated(), Path("benchmarks"))
    output, _, status = command(runner)
    assert (output, status) == ("said \nthe guest is lost: panic\n", 1)
    assert command(runner) == ("said ", "", 0)
    assert StandIn.started == 2


def test_lost_guest_is_not_booted_again_for_nothing(runner):
    StandIn.commands = [GuestLostError("the guest is lost: panic", "")]
    runner.boot("a1", KERNEL, ways.emulated(), Path("benchmarks"))
    command(runner)
    runner.leave()
    assert StandIn.started == 1


def test_guest_that_does_not_come_up_again_fails_what_is_left(runner, capsys):
    StandIn.boots = [None, FailedError("kernel 6.1.0-1 did not come up")]
    StandIn.commands = [GuestLostError("the guest is lost: hung", "")]
    runner.boot("a1", KERNEL, ways.emulated(), Path("benchmarks"))
    command(runner)
    for _ in range(2):
        assert command(runner) == ("kernel 6.1.0-1 did not come up", "", 1)
    assert StandIn.started == 2


def test_benchmark_that_takes_too_long_is_asvs_timeout_and_the_guest_lives(runner):
    StandIn.commands = [GuestTimeoutError("killed after 5 s", ""), None]
    runner.boot("a1", KERNEL, ways.emulated(), Path("benchmarks"))
    assert command(runner) == ("said ", "", util.TIMEOUT_RETCODE)
    assert command(runner) == ("said ", "", 0)
    assert StandIn.started == 1


def test_what_cannot_be_measured_is_not_available_with_the_reason(runner, tmp_path):
    StandIn.boots = [UnsupportedError("no hardware virtualisation here")]
    runner.boot("a1", KERNEL, ways.emulated(), Path("benchmarks"))
    result = tmp_path / "result"
    assert command(runner, result) == ("no hardware virtualisation here", "", 0)
    assert json.loads(result.read_text()) != json.loads(result.read_text())  # NaN


def test_missing_qemu_ends_the_run(runner):
    StandIn.boots = [MissingToolError("QEMU is not installed", "apt-get install it")]
    with pytest.raises(util.UserError, match="QEMU is not installed; apt-get install it"):
        runner.boot("a1", KERNEL, ways.emulated(), Path("benchmarks"))


def test_revision_is_booted_once(runner):
    runner.boot("a1", KERNEL, ways.emulated(), Path("benchmarks"))
    assert runner.is_ready("a1")
    assert not runner.is_ready("b2")


def test_of_endless_output_the_newest_is_kept():
    newest = guest_runner._Newest()
    for _ in range(100):
        newest.take("stdout", b"x" * (1 << 16))
    newest.take("stderr", b"last words")
    assert len(newest.text) == guest_runner._MOST_OUTPUT_BYTES
    assert newest.text.endswith("xlast words")


@pytest.mark.parametrize(("way", "alone"), [(ways.emulated(), False), (TIMED, True)])
def test_whoever_is_timed_in_a_guest_has_the_machine_alone(
    runner, own_lock, monkeypatch, way, alone
):
    def run(self, argv, **options):
        with open(own_lock) as lock:
            held.append(not machine_lock._try(lock.fileno()))
        return Completed()

    held: list[bool] = []
    monkeypatch.setattr(StandIn, "run", run)
    runner.boot("a1", KERNEL, way, Path("benchmarks"))
    command(runner)
    assert held == [alone]
