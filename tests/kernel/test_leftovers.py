"""Whatever way a process ends, nothing of it is left in the kernel."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Callable

import leftovers
import pytest
from processes import start_command, start_python

from ebpf_overhead.errors import ExitStatus

PROBE = """
import os, signal, subprocess, sys
from ebpf_overhead.hooks import probe as attach
from ebpf_overhead.hooks.cases import select
(case,) = select([sys.argv[1]], [sys.argv[2]])
probe = attach.load(case)
probe.attach()
print("attached", flush=True)
sys.stdin.readline()
"""
ENDINGS = {
    "end of the program": "",
    "exit": "sys.exit(3)",
    "exception": "raise ZeroDivisionError",
    "exit at once": "os._exit(3)",
    "abort": "os.abort()",
    "SIGTERM": "os.kill(os.getpid(), signal.SIGTERM)",
    "SIGINT": "os.kill(os.getpid(), signal.SIGINT)",
    "SIGHUP": "os.kill(os.getpid(), signal.SIGHUP)",
    "SIGKILL": "os.kill(os.getpid(), signal.SIGKILL)",
}


def start_probe(attach_type: str, program: str, ending: str) -> subprocess.Popen[str]:
    process = start_python(PROBE + ending, attach_type, program)
    assert process.stdout is not None
    assert process.stdout.readline() == "attached\n", process.communicate()[1]
    return process


@pytest.mark.parametrize("ending", ENDINGS)
def test_process_that_ends(some_attach_type, ending, nothing_left):
    end_and_look(some_attach_type, ending, nothing_left)


@pytest.mark.parametrize("ending", ["exception", "SIGKILL"])
def test_process_that_ends_with_any_attach_type(attach_type, ending, nothing_left):
    end_and_look(attach_type, ending, nothing_left)


def end_and_look(attach_type: str, ending: str, nothing_left: Callable[[], None]) -> None:
    process = start_probe(attach_type, "complex", ENDINGS[ending])
    held = leftovers.held_by(process.pid)
    assert {each.kind for each in held} >= {"prog", "map"}
    assert {each for each in held if each.kind != "map"} <= leftovers.listed()
    process.communicate("go\n", timeout=30)
    nothing_left()
    assert not held & leftovers.listed()


def test_watch_finds_what_is_left(some_attach_type, monkeypatch):
    """A test of the test: held by a process that is said not to live, it counts as left."""
    if leftovers.bpftool() is None:
        pytest.skip("bpftool is not installed")
    watch = leftovers.Watch()
    process = start_probe(some_attach_type, "complex", "")
    try:
        held = leftovers.held_by(process.pid)
        monkeypatch.setattr(leftovers, "held", set)
        monkeypatch.setattr(leftovers, "PATIENCE_S", 0.2)
        left = watch.left()
        assert {each for each in held if each.kind == "prog"} <= left
        assert {"prog", "map"} <= {each.kind for each in left}
    finally:
        process.communicate("go\n", timeout=30)


def test_child_that_outlives_its_killed_parent(attach_type, nothing_left):
    """It holds nothing: every descriptor is closed when another program is started."""
    ending = """
child = subprocess.Popen(["sleep", "60"])
print(child.pid, flush=True)
sys.stdin.readline()
"""
    process = start_probe(attach_type, "simple", ending)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    child = int(process.stdout.readline())
    try:
        assert leftovers.held_by(child) == set()
        process.kill()
        process.wait(timeout=30)
        nothing_left()
    finally:
        subprocess.run(["kill", str(child)], check=True)
        process.communicate()


def start_measuring(*arguments: str) -> subprocess.Popen[str]:
    """Start ``measure`` and wait until it has loaded a program."""
    process = start_command("measure", "--time", "30", "--precision", "0.001ns", *arguments)
    deadline = time.monotonic() + 30
    while not any(each.kind == "prog" for each in leftovers.held_by(process.pid)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(random.uniform(0.1, 0.5))
    return process


@pytest.mark.parametrize(
    ("number", "status", "words"),
    [
        (signal.SIGINT, ExitStatus.INTERRUPTED, "ebpf-overhead: interrupted; nothing is left"),
        (signal.SIGTERM, 128 + signal.SIGTERM, "ebpf-overhead: terminated; nothing is left"),
    ],
)
def test_interrupted_measure_leaves_in_order(
    some_attach_type, tmp_path, nothing_left, number, status, words
):
    path = tmp_path / "result.json"
    process = start_measuring(
        "--attach", some_attach_type, "--format", "json", "--output", str(path)
    )
    process.send_signal(number)
    output, errors = process.communicate(timeout=30)
    assert process.returncode == status
    assert output == ""
    assert errors.startswith(words)
    assert len(errors.splitlines()) == 1
    assert not path.exists(), "half a result is none"
    nothing_left()


def test_reader_that_goes_away_leaves_nothing(some_attach_type, nothing_left):
    process = start_command(
        "measure", "--attach", some_attach_type, "--time", "0.05", "--format", "json"
    )
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, errors = process.communicate(timeout=60)
    assert "Traceback" not in errors
    nothing_left()


KILLS = 20
KILLED = ("measure", "--program", "complex", "--time", "0.5")


def test_killed_measure_leaves_nothing(some_attach_type, nothing_left, note):
    """``kill -9`` at twenty random moments between the first instruction and the last."""
    command = (*KILLED, "--attach", some_attach_type)
    started = time.monotonic()
    process = start_command(*command)
    process.communicate(timeout=60)
    whole_s = time.monotonic() - started
    assert process.returncode == 0

    caught_loaded = caught_attached = 0
    index = 0
    # More where few moments were the right ones: three in ten are at least.
    while index < KILLS or (caught_loaded < 3 and index < 5 * KILLS):
        process = start_command(*command)
        time.sleep(whole_s * (index % KILLS + random.random()) / KILLS)
        caught_loaded += any(each.kind == "prog" for each in leftovers.held_by(process.pid))
        caught_attached += leftovers.is_attached(process.pid)
        ended = process.poll() is not None
        process.kill()
        process.communicate(timeout=30)
        nothing_left()
        if ended:  # It took longer while it was timed: that moment again.
            whole_s *= 0.8
        else:
            index += 1
    note(
        f"kill -9: {index} moments within {whole_s:.1f} s, {caught_loaded} with programs loaded,"
        f" {caught_attached} with programs attached; nothing left"
    )
    assert caught_loaded >= 3, "killed at the wrong moments: the test shows nothing"
