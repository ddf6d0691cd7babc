"""Kernels on a cluster: which addresses are safe, and what a worker must have."""

from __future__ import annotations

import pickle
import socket
from dataclasses import replace

import pytest
from kernels_fakes import make_record

from ebpf_overhead.asv import cluster, cluster_task
from ebpf_overhead.asv.cluster_task import Done, Task, Tools
from ebpf_overhead.asv.workspace import Workspace
from ebpf_overhead.errors import BadUseError, FailedError, MissingToolError

TOOLS = Tools("c" * 64, "3.11.2", "0.6.6", "7.2.22", "0.26.0")
KERNEL = make_record("6.12.118+deb13-amd64", "6.12.118-1")


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("127.0.0.1:8786", "tcp://127.0.0.1:8786"),
        ("localhost:8786", "tcp://localhost:8786"),
        ("tcp://[::1]:8786", "tcp://[::1]:8786"),
        ("tls://10.0.0.7:8786", "tls://10.0.0.7:8786"),
    ],
)
def test_addresses_of_this_machine_and_encrypted_ones_are_used(given, used):
    assert cluster.checked(given) == used


@pytest.mark.parametrize(
    "address", ["10.0.0.7:8786", "tcp://cluster:8786", "0.0.0.0:8786", "localhost.evil.org:1"]
)
def test_plain_addresses_elsewhere_are_refused(address):
    with pytest.raises(BadUseError, match="has no TLS: anyone who reaches a worker could have his"):
        cluster.checked(address)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "ws://127.0.0.1:1", "inproc://a:1", "tls://:1", "x:y", "[::1:5", ""]
)
def test_what_is_no_address(address):
    with pytest.raises(BadUseError, match="is no address of a scheduler; give tls://HOST:PORT"):
        cluster.checked(address)


def test_without_dask(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(MissingToolError, match=r"pip install 'ebpf-overhead\[cluster\]'"):
        cluster._distributed()


def test_nobody_at_the_address_is_one_line(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "_WAIT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
    with (
        pytest.raises(FailedError, match=f"no scheduler can be used at {address}: "),
        cluster._client(address),
    ):
        pass


class Workers:
    """A client of a scheduler whose workers have these addresses."""

    scheduler = type("Scheduler", (), {"address": "tcp://127.0.0.1:8786"})

    def __init__(self, *addresses):
        self._addresses = addresses

    def wait_for_workers(self, number, timeout):
        if not self._addresses:
            raise TimeoutError

    def scheduler_info(self):
        return {"workers": dict.fromkeys(self._addresses)}


def test_workers_elsewhere_without_tls_are_refused():
    cluster._require_workers(Workers("tcp://127.0.0.1:4001", "tls://10.0.0.7:4001"))
    with pytest.raises(BadUseError, match=r"^tcp://10\.0\.0\.7:4001 has no TLS"):
        cluster._require_workers(Workers("tcp://127.0.0.1:4001", "tcp://10.0.0.7:4001"))


def test_a_scheduler_without_workers():
    with pytest.raises(FailedError, match=r"has no workers; dask worker tcp://127\.0\.0\.1:8786"):
        cluster._require_workers(Workers())


def worker_with(monkeypatch, tmp_path, record=KERNEL, tools=TOOLS):
    """A task, on a machine with that kernel and these tools."""
    folder = tmp_path / "kernels" / record.release
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(record.to_json())
    (folder / "origin.json").write_text('{"trust": "a test", "places": []}')
    monkeypatch.setenv("EBPF_OVERHEAD_DATA", str(tmp_path))
    monkeypatch.setattr(Tools, "here", lambda architecture: tools)
    monkeypatch.setattr(cluster_task, "_run", lambda task, folder: "measured")
    return Task(KERNEL.to_json(), KERNEL.release, TOOLS, (), {})


@pytest.mark.parametrize("name", ["code", "python", "asv", "qemu", "bcc"])
def test_a_worker_with_another_tool_measures_nothing(monkeypatch, tmp_path, name):
    other = replace(TOOLS, **{name: "9"})
    task = worker_with(monkeypatch, tmp_path, tools=other)
    with pytest.raises(FailedError) as caught:
        cluster_task.run(task)
    assert str(caught.value).startswith(f"the worker has another {name}, 9 instead of ")


def test_a_worker_with_another_build_measures_nothing(monkeypatch, tmp_path):
    task = worker_with(monkeypatch, tmp_path, replace(KERNEL, build="#2"))
    with pytest.raises(FailedError, match=r"the worker has another build of 6\.12\.118"):
        cluster_task.run(task)


def test_a_worker_without_the_kernel_says_so_in_words_that_can_be_sent(monkeypatch, tmp_path):
    task = worker_with(monkeypatch, tmp_path)
    with pytest.raises(FailedError) as caught:
        cluster_task.run(replace(task, release="7.3.4+deb13-amd64"))
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    assert "7.3.4" in str(again)


def test_a_worker_with_the_same_measures(monkeypatch, tmp_path):
    assert cluster_task.run(worker_with(monkeypatch, tmp_path)) == "measured"


class Future:
    def __init__(self, result):
        self._result = result

    def result(self):
        if isinstance(self._result, Exception):
            raise self._result
        return self._result


def test_results_are_brought_and_what_failed_is_one_line(tmp_path):
    workspace = Workspace(tmp_path)
    stored = (
        '{"commit_hash": "abcd", "result_columns": ["result"], "results": {"a": [[1]]},'
        ' "env_vars": {"CLOCK": "icount"}, "params": {"machine": "vm"}}'
    )
    results = {"vm/abcd-kernel.json": stored, "vm/machine.json": "{}"}
    done = Future(Done(0, 4.0, "asv said", results))
    outcome = cluster._outcome("6.12", done, workspace, tmp_path)
    assert str(outcome) == f"6.12: measured (4 s; {tmp_path}/6.12.log)"
    assert (tmp_path / "6.12.log").read_text() == "asv said"
    assert '"results": {"a": [[1]]}' in (workspace.results / "vm/abcd-kernel.json").read_text()
    for error, said in (
        (FailedError("no kernel", "add one"), "no kernel; add one"),
        (RuntimeError("4 workers\ndied"), "RuntimeError: 4 workers died"),
    ):
        outcome = cluster._outcome("6.12", Future(error), workspace, tmp_path)
        assert (outcome.exit_status, str(outcome)) == (1, f"6.12: not measured: {said}")
