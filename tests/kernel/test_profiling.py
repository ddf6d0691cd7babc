"""perf on the running kernel: the parts of a probed call, and everything as it was before."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import time
from pathlib import Path

import gate
import jsonschema
import pytest
from processes import run_command, start_command, start_python

from ebpf_overhead.report.schema import schema_of
from ebpf_overhead.tools.profile.record import ProfileRecord

SYMBOLS = Path("/proc/sys/net/core/bpf_jit_kallsyms")
CALLER = """
import sys, time
from ebpf_overhead.workload import _workload
print("ready", flush=True)
end = time.monotonic() + 30
while time.monotonic() < end:
    _workload.run("getpid", 10_000, 20)
"""


@pytest.fixture(autouse=True)
def _perf() -> None:
    if shutil.which("perf") is None:
        gate.cannot_run("perf is not installed")


@pytest.fixture
def symbols_off():
    """JIT symbols hidden, as where the kernel has a JIT that is not compiled in always."""
    before = SYMBOLS.read_text()
    SYMBOLS.write_text("0")
    yield
    SYMBOLS.write_text(before)


def parts(record: dict, profile: str) -> dict[str, float]:
    found = record["profiles"][profile]["parts"]
    return {name: part["share"] for name, part in found.items()}


def dispatch_ns(record: dict, profile: str) -> float:
    return parts(record, profile)["dispatch"] * record["profiles"][profile]["per_call"]


@pytest.mark.usefixtures("symbols_off")
def test_loop_is_taken_apart(some_attach_type, tmp_path, note, nothing_left):
    plot = tmp_path / "flames.svg"
    arguments = ["--attach", some_attach_type, "--program", "complex", "--duration", "0.7s"]
    run = run_command("profile", *arguments, "--format", "json", "--plot", str(plot))
    assert run.returncode == 0, run.stderr
    record = json.loads(run.stdout)
    jsonschema.validate(record, schema_of("profile", ProfileRecord))
    assert record["jit_symbols_switched_on"] is True
    assert SYMBOLS.read_text().strip() == "0"
    unprobed, probed = parts(record, "unprobed"), parts(record, "probed")
    assert unprobed["program"] == unprobed["helpers"] == 0
    # Hooks of others on all calls are reached in both.
    assert dispatch_ns(record, "unprobed") < dispatch_ns(record, "probed")
    # complex calls four helpers: most of it is theirs.
    assert probed["helpers"] > probed["program"] > 0
    (name,) = record["profiles"]["probed"]["programs"]
    assert name.startswith("bpf_prog_")
    assert name.endswith("_complex")
    assert record["profiles"]["probed"]["hits"] == record["profiles"]["probed"]["calls"]
    assert name in plot.read_text()
    note(f"profile {some_attach_type}/complex: helpers {100 * probed['helpers']:.0f} % of a call")
    nothing_left()


def test_process_is_sampled_until_interrupted(nothing_left):
    with start_python(CALLER) as caller:
        assert caller.stdout.readline() == "ready\n"
        arguments = ["--pid", str(caller.pid), "--duration", "60s", "--format", "json"]
        command = start_command("profile", *arguments)
        assert command.stderr.readline().startswith("Sampling python")
        time.sleep(0.5)
        command.send_signal(signal.SIGINT)
        out, err = command.communicate(timeout=60)
        caller.kill()
    assert command.returncode == 0, err
    record = json.loads(out)
    jsonschema.validate(record, schema_of("profile", ProfileRecord))
    assert record["pid"] == caller.pid
    assert any("loop_getpid" in line for line in record["profiles"]["process"]["stacks"])
    nothing_left()


def test_process_that_sleeps_has_no_samples():
    with start_python("import time; print('ready', flush=True); time.sleep(60)") as sleeper:
        assert sleeper.stdout.readline() == "ready\n"
        run = run_command("profile", "--pid", str(sleeper.pid), "--duration", "0.1s")
        sleeper.kill()
    assert run.returncode == 1
    words = r"was on no CPU in \d+\.\d s; sample while it works"
    assert re.search(words, run.stderr), run.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--pid", "4194305"], 2, "no process has id 4194305"),
        (["--pid", str(os.getpid()), "--kernel", "6.12"], 2, "give --pid or --kernel"),
        (["--target", "read", "--attach", "uprobe"], 2, "no attach type chosen is for workload"),
        (["--plot", "/no/such/folder/x.svg"], 2, "is not a directory"),
    ],
)
def test_wrong_use_of_profile(arguments, status, words):
    run = run_command("profile", *arguments)
    assert (run.returncode, words in run.stderr) == (status, True), run.stderr


def test_missing_perf_is_said(tmp_path):
    run = run_command("profile", "--duration", "0.1s", PATH=str(tmp_path))
    assert run.returncode == 3
    assert "perf not found" in run.stderr
