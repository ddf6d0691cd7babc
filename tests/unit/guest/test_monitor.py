"""QEMU's control connection, with a QEMU made up."""

from __future__ import annotations

import json
import os
import socket
import threading

import pytest

from ebpf_overhead.errors import FailedError
from ebpf_overhead.guest.monitor import Monitor


@pytest.fixture
def qemu():
    """Return a function that starts a QEMU with answers to questions, and its monitor."""
    threads, ours = [], []

    def start(answers):
        mine, theirs = socket.socketpair()
        heard = []

        def serve():
            theirs.sendall(b'{"QMP": {}}\n')
            rest = b""
            while True:
                data, descriptors, _, _ = socket.recv_fds(theirs, 4096, 2)
                if not data:
                    return
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    command = json.loads(line)["execute"]
                    heard.append((command, json.loads(line)["arguments"]))
                    for descriptor in descriptors:
                        os.write(descriptor, b"given")
                        os.close(descriptor)
                    theirs.sendall(b'{"event": "STOP"}\n')
                    queue = answers.get(command, [{}])
                    answer = queue.pop(0) if len(queue) > 1 else queue[0]
                    reply = answer if "error" in answer else {"return": answer}
                    theirs.sendall(json.dumps(reply).encode() + b"\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        threads.append(thread)
        monitor = Monitor(mine)
        ours.append(monitor)
        return monitor, heard

    yield start
    for monitor in ours:
        monitor.close()


@pytest.fixture
def file(tmp_path):
    """Descriptor of a file to which a state is written."""
    with open(tmp_path / "state", "w+b") as opened:
        yield opened.fileno()


def test_saving_stops_the_guest_until_its_state_is_written(qemu, file):
    states = [{"status": "setup"}, {"status": "active"}, {"status": "completed"}]
    after = [{"status": "finish-migrate"}, {"status": "postmigrate"}]
    monitor, heard = qemu({"query-migrate": states, "query-status": after})
    monitor.save(file)
    assert os.pread(file, 100, 0) == b"given"
    assert [command for command, _ in heard] == [
        *("qmp_capabilities", "stop", "migrate-set-parameters", "getfd", "migrate"),
        *("query-migrate", "query-migrate", "query-migrate", "query-status", "query-status"),
        "cont",
    ]
    assert ("migrate", {"uri": "fd:state"}) in heard


def test_guest_goes_on_when_its_state_cannot_be_saved(qemu, file):
    monitor, heard = qemu({"migrate": [{"error": {"desc": "9p is mounted"}}]})
    with pytest.raises(FailedError, match="QEMU refuses migrate: 9p is mounted"):
        monitor.save(file)
    assert heard[-1][0] == "cont"


def test_saving_that_fails_half_way(qemu, file):
    failed = {"status": "failed", "error-desc": "disk full"}
    monitor, heard = qemu({"query-migrate": [{"status": "active"}, failed]})
    with pytest.raises(FailedError, match="disk full"):
        monitor.save(file)
    assert heard[-1][0] == "cont"


def test_restored_guest_does_not_run_before_it_is_told_to(qemu, file):
    monitor, heard = qemu({"query-status": [{"status": "inmigrate"}, {"status": "paused"}]})
    monitor.begin_load(file)
    monitor.await_load()
    assert "cont" not in [command for command, _ in heard]
    monitor.go_on()
    assert heard[-1][0] == "cont"


def test_qemu_that_ends_is_an_error():
    mine, theirs = socket.socketpair()
    theirs.close()
    with pytest.raises(FailedError, match="QEMU does not answer"):
        Monitor(mine).go_on()
