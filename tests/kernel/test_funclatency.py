"""``funclatency`` on the running kernel: no call is missed, none is invented."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import gate
import leftovers
import pytest
from processes import environment, run_command, start_command, start_python

from ebpf_overhead import _workload
from ebpf_overhead.bcc_library import HEADERS
from ebpf_overhead.errors import OverheadError
from ebpf_overhead.latency.histogram import Scale
from ebpf_overhead.latency.trace import choose_way, compiled_tracer, open_way, read, traced
from ebpf_overhead.latency.ways import KINDS
from ebpf_overhead.tracers.filters import Filters

CALLS = 10_007  # a prime number
PATH, SYMBOL, _ = _workload.target_symbol()
FUNCTION = f"{PATH}:{SYMBOL}"
SLEEPS = 20

# Calls the function when told to, and says what its process is.
CALLER = f"""
import sys
from ebpf_overhead import _workload
sys.stdin.readline()
_workload.run("function", {CALLS})
print("done", flush=True)
sys.stdin.readline()
"""


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("EBPF_OVERHEAD_DATA", str(tmp_path))


@pytest.fixture(params=KINDS)
def way(request):
    """Each kind of way to a target that the timed loop can call."""
    compiled = compiled_tracer(Filters(pid=os.getpid()), Scale())
    target = FUNCTION if request.param == "uprobe/uretprobe" else "syscall:getpid"
    try:
        return compiled, choose_way(compiled, target, request.param)
    except OverheadError as error:
        pytest.skip(str(error))


def run_target(way) -> None:
    _workload.run("function" if way.kind == "uprobe/uretprobe" else "getpid", CALLS)


def test_every_call_is_timed_and_no_other(way):
    compiled, chosen = way
    with traced(compiled, chosen) as trace:
        run_target(chosen)
        seen = trace.read()
        assert trace.missed() in (0, None)
    run_target(chosen)
    assert read(compiled).calls == seen.calls == CALLS
    assert seen.slots.sum() == CALLS
    assert sum(row.calls for row in seen.rows(Scale())) == CALLS
    for name in ("unmatched", "overwritten", "lost"):
        assert seen.counter(name) == 0, name
    assert seen.in_flight == 0


def test_nothing_stays_attached(way, nothing_left):
    compiled, chosen = way
    with pytest.raises(ZeroDivisionError), traced(compiled, chosen):
        raise ZeroDivisionError
    open_way(compiled, chosen).close()
    del compiled
    nothing_left()


@pytest.mark.parametrize("scale", [Scale("usecs", 1_000), Scale(linear_width=500)])
def test_rows_of_other_scales_add_up(scale):
    compiled = compiled_tracer(Filters(pid=os.getpid()), scale)
    with traced(compiled, choose_way(compiled, FUNCTION)) as trace:
        _workload.run("function", CALLS)
        assert sum(row.calls for row in trace.read().rows(scale)) == CALLS


def test_latency_is_at_least_what_the_call_takes():
    compiled = compiled_tracer(Filters(pid=os.getpid()), Scale())
    with traced(compiled, choose_way(compiled, "syscall:clock_nanosleep")) as trace:
        for _ in range(SLEEPS):
            time.sleep(0.002)
        seen = trace.read()
    assert seen.calls == SLEEPS
    assert [row.calls for row in seen.rows(Scale()) if row.high and row.high < 1 << 20] == [0] * 20
    assert seen.percentile_ns(0.01) >= 2_000_000 * 15 / 16
    assert seen.average_ns >= 2_000_000


@pytest.mark.parametrize(
    ("filters", "calls"),
    [
        (Filters(pid=1), 0),
        (Filters(command="no such name"), 0),
        (Filters(command=Path("/proc/self/comm").read_text().strip()), CALLS),
        (Filters(pid=os.getpid(), command="no such name"), 0),
    ],
)
def test_filters(filters, calls):
    compiled = compiled_tracer(filters, Scale())
    with traced(compiled, choose_way(compiled, FUNCTION)) as trace:
        _workload.run("function", CALLS)
        assert trace.read().calls == calls


def test_cgroup_filter_takes_those_below_and_no_other(tmp_path):
    roots = [Path(line.split()[1]) for line in mounted() if line.split()[2] == "cgroup2"]
    if not roots:
        gate.cannot_run("no version 2 cgroup hierarchy is mounted")
    own = roots[0] / f"ebpf-overhead-test-{os.getpid()}"
    try:
        own.mkdir()
    except OSError as error:
        gate.cannot_run(f"cgroups cannot be made here: {error}")
    try:
        counts = {}
        for cgroup in (roots[0], own):
            compiled = compiled_tracer(Filters(cgroup=cgroup), Scale())
            with traced(compiled, choose_way(compiled, FUNCTION)) as trace:
                _workload.run("function", CALLS)
                counts[cgroup] = trace.read().calls
        assert counts == {roots[0]: CALLS, own: 0}
    finally:
        own.rmdir()


def mounted() -> list[str]:
    return Path("/proc/self/mounts").read_text().splitlines()


def attached(process: subprocess.Popen[str]) -> None:
    """Wait until a command traces: it says so after everything else."""
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("Tracing "):
            while not leftovers.is_attached(process.pid):
                time.sleep(0.01)
            return
    raise AssertionError("it ended before it traced")


def test_command_traces_one_process_until_it_ends(nothing_left):
    with start_python(CALLER) as caller:
        tracer = start_command("funclatency", FUNCTION, "-p", str(caller.pid), "--format", "json")
        attached(tracer)
        caller.stdin.write("go\n")
        caller.stdin.flush()
        assert caller.stdout.readline() == "done\n"
        caller.communicate("end\n")
    out, err = tracer.communicate(timeout=60)
    record = json.loads(out)
    assert tracer.returncode == 0, err
    assert (record["calls"], record["ended_by"]) == (CALLS, "exit")
    assert sum(row["calls"] for row in record["histogram"]) == CALLS
    # Which of the two is larger is a matter of what else runs: the second is an average.
    assert all(record["own_cost"][each]["estimate"] > 0 for each in ("per_call", "inside"))
    nothing_left()


def test_interrupt_shows_the_histogram(nothing_left):
    tracer = start_command("funclatency", "syscall:read")
    attached(tracer)
    for _ in range(100):
        Path("/proc/self/stat").read_text()
    tracer.send_signal(signal.SIGINT)
    out, err = tracer.communicate(timeout=60)
    assert tracer.returncode == 0, err
    assert "distribution" in out
    nothing_left()


def test_target_that_is_never_called(nothing_left):
    run = run_command("funclatency", FUNCTION, "-d", "0.1")
    assert run.returncode == 3
    assert "was not called in 0." in run.stdout
    nothing_left()


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["vfs_reed"], 2, "no function vfs_reed in this kernel"),
        (["syscall:reed"], 2, "no system call is called 'reed'"),
        (["syscall:read", "-p", "4194305"], 2, "no process has id 4194305"),
        (["tracepoint:no:such,event"], 3, "no tracepoint no:event in this kernel"),
        (["vfs_read", "--via", "uprobe/uretprobe"], 2, "does not lead to vfs_read"),
    ],
)
def test_wrong_names(arguments, status, words, nothing_left):
    run = run_command("funclatency", *arguments)
    assert run.returncode == status
    assert words in run.stderr
    assert run.stderr.count("\n") == 1
    nothing_left()


def test_bcc_funclatency_counts_the_same(tmp_path, note):
    theirs = next(filter(shutil.which, ("funclatency-bpfcc", "funclatency")), None)
    if theirs is None or os.uname().machine != "x86_64":
        pytest.skip("bcc's funclatency is not installed (package bpfcc-tools)")
    shutil.copytree(HEADERS, tmp_path / "headers")
    # Their program includes it and looks at no register of an uprobe without arguments.
    (tmp_path / "headers/include/uapi/linux/ptrace.h").write_text(
        "struct pt_regs { unsigned long word[21]; };\n"
    )
    with start_python(CALLER) as caller:
        tracer = subprocess.Popen(
            [theirs, "-p", str(caller.pid), FUNCTION],
            env=environment(BCC_KERNEL_SOURCE=str(tmp_path / "headers"), PYTHONUNBUFFERED="1"),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for line in tracer.stdout:
            if line.startswith("Tracing 1 functions"):
                break
        caller.stdin.write("go\n")
        caller.stdin.flush()
        assert caller.stdout.readline() == "done\n"
        tracer.send_signal(signal.SIGINT)
        printed = tracer.communicate(timeout=60)[0]
        caller.communicate("end\n")
    assert f"count: {CALLS}" in printed
    note(f"bcc's funclatency, {CALLS} calls: {printed[printed.index('avg') :].splitlines()[0]}")
