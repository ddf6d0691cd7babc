"""Guests that are restored from a saved state: the same as booted ones, or booted instead."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from guest_support import gone
from processes import run_command

from ebpf_overhead.guest import launch
from ebpf_overhead.guest.session import Session
from ebpf_overhead.guest.vm import Guest
from ebpf_overhead.guest.waiting import ConnectionLostError

# What 1,000 system calls take, in instructions.  So few have a tick among them now and then only.
COUNT = """
import os, time
def window():
    begin = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    for _ in range(1_000):
        os.getppid()
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) - begin
print(min(window() for _ in range(100)))
"""


def keeping(kernel, place):
    """Return a kernel whose states are kept in a place of the tests' own."""

    class Kept(type(kernel)):
        states = place / kernel.release

    fields = {each.name: getattr(kernel, each.name) for each in dataclasses.fields(kernel)}
    return Kept(**fields)


@pytest.fixture
def kept(kernel, tmp_path):
    """A kernel without a state."""
    return keeping(kernel, tmp_path / "states")


@pytest.fixture(scope="module")
def saved_states(kernel, tmp_path_factory):
    """Where a state lies that was saved once, for tests that begin with one."""
    once = keeping(kernel, tmp_path_factory.mktemp("states"))
    with Saved(once):
        pass
    return once.states


@pytest.fixture
def kept_state(kept, saved_states):
    """A kernel with a state, which is the test's own."""
    shutil.copytree(saved_states, kept.states)
    return kept


def states(kernel):
    return sorted(kernel.states.glob("*"))


class Saved:
    """A guest, how it came up, and what was said of it."""

    def __init__(self, kernel, **settings):
        self.said = []
        self.guest = Guest(kernel, log=self.said.append, preload=("json",), **settings)

    def __enter__(self):
        self.guest.start()
        self.restored = self.guest._launch.state is not None
        return self

    def __exit__(self, *error):
        self.guest.stop()

    def python(self, code):
        done = self.guest.run([sys.executable, "-c", code])
        assert done.exit_status == 0, done.stderr
        return done.stdout


def test_second_guest_is_restored_and_counts_the_same(kept):
    counted = []
    for restored in (False, True, True):
        with Saved(kept) as saved:
            assert saved.restored == restored
            counted.append(int(saved.python(COUNT)) / 1_000)
            assert saved.said == []
    assert len(states(kept)) == 1
    assert max(counted) - min(counted) < 0.1


def test_rows_are_those_of_a_booted_guest(kernel):
    options = ("--attach", "fentry", "--attach", "kprobe", "--attach", "uprobe", "--json")
    options += ("--program", "empty", "--program", "simple", "--kernel", kernel.release)
    run_command("measure", *options, timeout=300)  # It keeps a state, if there is none yet.
    rows = []
    for how in (("--boot",), (), ()):
        done = run_command("measure", *options, *how, timeout=300)
        assert done.returncode == 0, done.stderr
        rows.append(
            {
                (case["target"], case["attach"], case["program"]): case["overhead"]["estimate"]
                for case in json.loads(done.stdout)["cases"]
                if case["status"] == "measured"
            }
        )
    booted, *restored = rows
    assert len(booted) >= 6
    for each in restored:
        assert each.keys() == booted.keys()
        for key, expected in booted.items():
            # A uprobe's kernel code looks for the mapping that was hit, among those of the process.
            within = 1 if key[1] == "uprobe" else 0.1
            assert each[key] == pytest.approx(expected, abs=within), key


def test_boot_is_what_was_asked_for(kept):
    for _ in range(2):
        with Saved(kept, restore=False) as saved:
            assert not saved.restored
    assert states(kept) == []


def test_what_a_guest_sees_is_no_part_of_its_state(kept_state, tmp_path):
    (tmp_path / "alone").write_text("alone")
    (tmp_path / "shown").mkdir()
    (tmp_path / "shown/file").write_text("shown")
    with Saved(kept_state, shown=[tmp_path / "shown", tmp_path / "alone"]) as saved:
        assert saved.restored
        code = f"print(open('{tmp_path}/alone').read(), open('{tmp_path}/shown/file').read())"
        assert saved.python(code) == "alone shown\n"
        share = saved.guest.share
        saved.python(f"open('{share}/made', 'w').write('in the guest')")
        assert (share / "made").read_text() == "in the guest"


def test_libraries_that_are_probed_are_those_that_are_mapped(kept):
    code = """
import os
for line in open("/proc/self/maps"):
    path = line.split(maxsplit=5)[-1].strip()
    if path.startswith("/"):
        found = os.stat(path)
        device = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}"
        assert line.split()[3:5] == [device, str(found.st_ino)], (line, found)
        print(path)
"""
    for restored in (False, True):
        with Saved(kept) as saved:
            assert saved.restored == restored
            assert "libc.so.6" in saved.python(code)


@pytest.mark.parametrize("damage", ["truncated", "changed", "empty"])
def test_damaged_state_is_made_anew(kept_state, damage):
    (path,) = states(kept_state)
    with path.open("r+b") as file:
        if damage == "changed":
            file.seek(path.stat().st_size // 2)
            file.write(b"\xff" * 4096)
        else:
            file.truncate(path.stat().st_size // 2 if damage == "truncated" else 0)
    with Saved(kept_state) as saved:
        assert not saved.restored
        assert saved.python("print('up')") == "up\n"
        # One without a beginning is found before QEMU is started for it.
        assert len(saved.said) == (damage != "empty")
    with Saved(kept_state) as saved:
        assert saved.restored


def test_restored_guest_that_hangs_is_booted_instead(kept_state, monkeypatch):
    failures = iter([ConnectionLostError("it does not answer")])
    begin = Session.begin

    def begin_at_second_try(session, beginning):
        for failure in failures:
            raise failure
        begin(session, beginning)

    monkeypatch.setattr(Session, "begin", begin_at_second_try)
    with Saved(kept_state) as saved:
        assert not saved.restored
        assert len(saved.said) == 1
        assert saved.python("print('up')") == "up\n"


def test_state_made_from_what_has_changed_is_made_anew(kept_state):
    (path,) = states(kept_state)
    head, _, stream = path.read_bytes().partition(b"\n")
    program, made_from = json.loads(head)
    assert json.__file__ in made_from
    made_from[json.__file__] = "1 bytes, 1 ns"
    path.write_bytes(json.dumps([program, made_from]).encode() + b"\n" + stream)
    with Saved(kept_state) as saved:
        assert not saved.restored
        assert saved.said == []
    assert path not in states(kept_state)


def test_two_at_once(kept_state):
    failures = []

    def use():
        try:
            with Saved(kept_state) as saved:
                assert saved.restored
                assert saved.python("print('up')") == "up\n"
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_place_that_cannot_be_written_is_said_and_the_guest_is_up(kept, tmp_path):
    (tmp_path / "states").write_text("a file is in the way")
    with Saved(kept) as saved:
        assert not saved.restored
        assert saved.python("print('up')") == "up\n"
    (said,) = saved.said
    assert said.startswith("the guest's state is not kept")


def test_qemu_that_cannot_save_is_said_and_the_guest_is_up(kept, monkeypatch):
    def refuse(self, descriptor):
        self._execute("no-such-command")

    monkeypatch.setattr(launch.Monitor, "save", refuse)
    with Saved(kept) as saved:
        assert saved.python("print('up')") == "up\n"
    (said,) = saved.said
    assert said.startswith("the guest's state is not kept")
    assert "no-such-command" in said
    assert states(kept) == []


USER = """
import sys, threading, time
from pathlib import Path
from ebpf_overhead.guest.vm import Guest
from ebpf_overhead.kernels.catalogue import find

kernel = find(sys.argv[1])
type(kernel).states = Path(sys.argv[2])
guest = Guest(kernel, preload=("json",))

def tell():
    while guest.pid is None:
        time.sleep(0.001)
    print(guest.pid, flush=True)

threading.Thread(target=tell, daemon=True).start()
guest.start()
guest.run(["sleep", "1000000"])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("restored", [False, True])
def test_nothing_is_left_of_one_that_is_killed_while_it_comes_up(
    kept, saved_states, number, restored
):
    if restored:
        shutil.copytree(saved_states, kept.states)
    before = states(kept)
    with (
        tempfile.TemporaryDirectory(prefix="eo-") as place,
        subprocess.Popen(
            [sys.executable, "-c", USER, kept.release, str(kept.states)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "TMPDIR": place},
            cwd=Path(__file__).parents[2],
        ) as user,
    ):
        pid = int(user.stdout.readline())
        while user.poll() is None:  # A finalizer may swallow one.
            user.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                user.wait(2)
        assert user.returncode != 0
        assert gone(pid, 5)
    assert states(kept) == before
    with Saved(kept) as saved:
        assert saved.restored == restored
        assert saved.python("print('up')") == "up\n"
