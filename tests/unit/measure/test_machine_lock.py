"""One measurement at a time: who holds the lock, waiting, and what never blocks."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from processes import holding_lock, saying_so, start_python

from ebpf_overhead.bpf.privileges import effective_capabilities, suffices
from ebpf_overhead.errors import ExitStatus
from ebpf_overhead.hooks.cases import select
from ebpf_overhead.measure import machine_lock
from ebpf_overhead.measure.machine_lock import BusyError, LockHolder, held
from ebpf_overhead.measure.paired import paired_difference
from ebpf_overhead.measure.result import Sampling
from ebpf_overhead.measure.run import measure_case
from ebpf_overhead.workload import clock

# Holds the lock as this project does, and has a child that lives on.
PARENT = """
import os, sys
from ebpf_overhead.measure.machine_lock import held
with held():
    reader, writer = os.pipe()
    if not os.fork():
        os.write(writer, b".")
        sys.stdin.read()
        os._exit(0)
    os.read(reader, 1)
    print(flush=True)
    sys.stdin.read()
"""


NOBODY = 65534


def test_says_who_holds_it(own_lock):
    with holding_lock(own_lock) as process, pytest.raises(BusyError) as caught, held():
        pytest.fail("both measure")
    user = pwd.getpwuid(os.getuid()).pw_name
    assert f"(process {process.pid} of {user}, since 20" in caught.value.what
    assert "--wait" in caught.value.remedy
    assert caught.value.exit_status == ExitStatus.NOT_FINISHED
    with held():
        pass


def test_waits_for_it(own_lock):
    shown: list[str] = []
    with holding_lock(own_lock) as process:

        def show(line: str) -> None:
            shown.append(line)
            process.stdin.close()

        with machine_lock.waiting(lambda: nullcontext(show)), held():
            assert f"process {process.pid} of " in shown[0]
    assert shown[0].startswith("Waiting for ")


def test_another_process_waits_for_this_one(own_lock):
    with held():
        tried = "import fcntl, sys; fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)"
        other = [sys.executable, "-c", tried, own_lock]
        assert b"BlockingIOError" in subprocess.run(other, capture_output=True).stderr
        with held():
            pass
        assert b"BlockingIOError" in subprocess.run(other, capture_output=True).stderr
    subprocess.run(other, check=True)


def test_dead_process_does_not_hold_it_though_its_child_lives(own_lock):
    with saying_so(PARENT) as process:
        with pytest.raises(BusyError), held():
            pass
        process.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with held():
            pass
        process.stdin.close()


def test_benchmark_waits_and_holds_it_until_its_process_ends(own_lock):
    if not suffices(effective_capabilities()):
        pytest.skip("a benchmark does not wait for a process that cannot measure")
    code = "import sys\nfrom ebpf_overhead.measure.machine_lock import hold_until_end\n"
    code += "hold_until_end()\nprint(flush=True)\nsys.stdin.read()"
    with held():
        benchmark = start_python(code)
        assert benchmark.stderr.readline().startswith("Waiting for ")
    with benchmark:
        assert benchmark.stdout.readline() == "\n"
        with pytest.raises(BusyError), held():
            pass
        benchmark.stdin.close()
    with held():
        pass


@pytest.mark.parametrize("missing", ["no/such/place", "lock"])
def test_place_that_cannot_be_locked_is_a_note(own_lock, missing, monkeypatch, capfd):
    def refuse(fd: int, operation: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setenv(machine_lock.VARIABLE, own_lock.replace("lock", missing))
    monkeypatch.setattr(machine_lock.fcntl, "flock", refuse)
    with held():
        (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("/")
    assert line.endswith("): nothing keeps others from measuring")


@pytest.mark.parametrize(("variable", "value"), [(clock.VARIABLE, "icount"), ("", "")])
def test_guests_have_none_and_it_can_be_switched_off(own_lock, variable, value, monkeypatch, capfd):
    monkeypatch.setenv(variable or machine_lock.VARIABLE, value)
    with holding_lock(own_lock), held():
        assert capfd.readouterr().err == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_who_may_not_measure_blocks_nobody(own_lock, monkeypatch, capfd):
    monkeypatch.undo()
    monkeypatch.setenv(machine_lock.VARIABLE, own_lock)
    with holding_lock(own_lock, NOBODY) as process, held():
        assert f"process {process.pid} of nobody" in capfd.readouterr().err


def test_root_of_another_user_namespace_may_not_measure():
    unshare = [shutil.which("unshare") or "unshare", "--user", "--map-root-user"]
    try:
        subprocess.run([*unshare, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no user namespaces here: {error}")
    with subprocess.Popen([*unshare, "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as cat:
        cat.stdin.write(b"\n")
        cat.stdin.flush()
        cat.stdout.readline()
        assert not LockHolder(cat.pid).may_measure()
        cat.stdin.close()


def test_default_place_is_one_that_nobody_can_plant():
    status = Path(machine_lock._PLACE).stat()
    assert status.st_uid == 0
    assert not status.st_mode & 0o022
    os.close(os.open(machine_lock._PLACE, os.O_RDONLY))


@pytest.mark.parametrize(
    "measure",
    [
        lambda: measure_case(select(["uprobe"], ["empty"])[0], Sampling()),
        lambda: paired_difference("function", lambda on: None),
    ],
)
def test_whatever_measures_takes_it(own_lock, measure):
    with holding_lock(own_lock), pytest.raises(BusyError):
        measure()
