"""``funclatency`` on the running kernel: no call is missed, none is invented."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import gate
import leftovers
import pytest
from processes import environment, run_command, start_command, start_python
from user_programs import GO_CALLS, RECURSION, compiled, compiled_go

from ebpf_overhead.bpf.syscall import counting_runs
from ebpf_overhead.errors import OverheadError
from ebpf_overhead.hooks.symbols import user_point
from ebpf_overhead.programs.bcc import HEADERS
from ebpf_overhead.tools.funclatency.histogram import LatencyCounts, Scale
from ebpf_overhead.tools.funclatency.hook_pairs import (
    AT_RETURNS,
    KINDS,
    in_user_space,
    user_pair,
)
from ebpf_overhead.tools.funclatency.own_cost import own_cost
from ebpf_overhead.tools.funclatency.trace import (
    choose_pair,
    compiled_tracer,
    open_pair,
    read,
    traced,
)
from ebpf_overhead.tools.tracers.filters import Filters
from ebpf_overhead.workload import _workload

CALLS = 10_007  # a prime number
PATH, SYMBOL, _ = _workload.workload_symbol()
FUNCTION = f"{PATH}:{SYMBOL}"
SLEEPS = 20

# Calls the function when told to, and says what its process is.
CALLER = f"""
import sys
from ebpf_overhead.workload import _workload
sys.stdin.readline()
_workload.run("function", {CALLS})
print("done", flush=True)
sys.stdin.readline()
"""


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("EBPF_OVERHEAD_DATA", str(tmp_path))


@pytest.fixture(params=KINDS)
def pair(request):
    """Each kind of pair, on a workload that the timed loop can call."""
    compiled = compiled_tracer(Filters(pid=os.getpid()), Scale())
    target = FUNCTION if in_user_space(request.param) else "syscall:getpid"
    try:
        if request.param == AT_RETURNS:
            return compiled, user_pair(AT_RETURNS, user_point(FUNCTION))
        return compiled, choose_pair(compiled, target, request.param)
    except OverheadError as error:
        pytest.skip(str(error))


def run_target(pair) -> None:
    _workload.run("function" if in_user_space(pair.kind) else "getpid", CALLS)


def test_every_call_is_timed_and_no_other(pair):
    compiled, chosen = pair
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


def test_nothing_stays_attached(pair, nothing_left):
    compiled, chosen = pair
    with pytest.raises(ZeroDivisionError), traced(compiled, chosen):
        raise ZeroDivisionError
    open_pair(compiled, chosen).close()
    del compiled
    nothing_left()


@pytest.mark.parametrize("scale", [Scale("usecs", 1_000), Scale(linear_width=500)])
def test_rows_of_other_scales_add_up(scale):
    compiled = compiled_tracer(Filters(pid=os.getpid()), scale)
    with traced(compiled, choose_pair(compiled, FUNCTION)) as trace:
        _workload.run("function", CALLS)
        assert sum(row.calls for row in trace.read().rows(scale)) == CALLS


def test_latency_is_at_least_what_the_call_takes():
    compiled = compiled_tracer(Filters(pid=os.getpid()), Scale())
    with traced(compiled, choose_pair(compiled, "syscall:clock_nanosleep")) as trace:
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
    with traced(compiled, choose_pair(compiled, FUNCTION)) as trace:
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
            with traced(compiled, choose_pair(compiled, FUNCTION)) as trace:
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


def test_statistics_of_somebody_else_are_said_and_no_cost_is_stored(tmp_path):
    with counting_runs():
        run = run_command("funclatency", FUNCTION, "-d", "0.1")
    assert "the kernel's run statistics are on, switched on by somebody else" in run.stderr
    assert not list(tmp_path.glob("overheads/*"))


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
        (["vfs_read", "--via", "uprobe/uretprobe"], 2, "does not exist for vfs_read"),
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


@pytest.fixture(scope="module")
def recursion(tmp_path_factory) -> str:
    """A program with a function that calls itself."""
    return compiled(RECURSION, tmp_path_factory.mktemp("recursion") / "program")


def recursed(program: str, depth: int, times: int) -> LatencyCounts:
    """What is counted of so many calls that call themselves so many times."""
    tracer = compiled_tracer(Filters(), Scale())
    with traced(tracer, choose_pair(tracer, f"{program}:recur")) as trace:
        before = trace.read()
        subprocess.run([program, str(depth), str(times)], check=True)
        return trace.read().since(before)


def test_recursion_is_named_for_what_it_is(recursion):
    seen = recursed(recursion, depth=5, times=100)
    assert seen.counter("entered") == 500
    assert seen.calls == 100  # the innermost ones
    assert seen.counter("overwritten") == 400
    assert seen.counter("unmatched") == seen.unreturned == seen.in_flight == 0


def test_returns_that_the_kernel_does_not_follow_are_counted(recursion):
    """A thread has 64 uretprobes under way at most: of deeper calls no return is seen."""
    seen = recursed(recursion, depth=100, times=50)
    assert seen.counter("entered") == 5_000
    assert seen.calls == 0, "the return of another call was taken for that of the innermost"
    # Of each but the last, all that nobody follows are known when the next one begins.
    assert 49 * 36 <= seen.unreturned <= 50 * 36
    assert seen.in_flight == 0


def test_go_function_is_timed_and_its_process_lives(tmp_path):
    """A return probe would end the process: its goroutines' stacks are moved."""
    program = compiled_go(tmp_path)
    with pytest.raises(OverheadError, match="has Go code"):
        choose_pair(compiled_tracer(Filters(), Scale()), f"{program}:main.work", "uprobe/uretprobe")
    counts = {}
    with subprocess.Popen([program], stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        traces = {}
        with ExitStack() as stack:
            for name in ("work", "leaf"):
                tracer = compiled_tracer(Filters(pid=process.pid), Scale())
                pair = choose_pair(tracer, f"{program}:main.{name}")
                assert pair.kind == AT_RETURNS
                traces[name] = stack.enter_context(traced(tracer, pair))
            process.stdin.write(b"\n")
            process.stdin.flush()
            process.stderr.readline()
            counts = {name: trace.read() for name, trace in traces.items()}
            process.stdin.write(b"\n")
            process.stdin.close()
            assert process.wait(60) == 0
    assert counts["leaf"].calls == counts["leaf"].counter("entered") == GO_CALLS
    assert counts["work"].calls == GO_CALLS  # the innermost ones
    # A call whose stack is moved begins again.
    assert counts["work"].counter("entered") >= 101 * GO_CALLS
    assert counts["work"].counter("unmatched") == 0


def test_termination_while_the_own_cost_is_measured(nothing_left):
    tracer = start_command("funclatency", FUNCTION)
    assert tracer.stderr.readline().startswith("Measuring the cost of ")
    while not leftovers.is_attached(tracer.pid):
        time.sleep(0.01)
    tracer.send_signal(signal.SIGTERM)
    _, err = tracer.communicate(timeout=60)
    assert tracer.returncode == 128 + signal.SIGTERM
    assert err == "ebpf-overhead: terminated; nothing is left attached\n"
    nothing_left()


def test_own_cost_is_that_of_the_first_instruction():
    """What a uprobe costs depends on it: the cost is measured on a function that begins so."""
    compiled_here = compiled_tracer(Filters(), Scale())
    if "function_ret" not in _workload.WORKLOADS:
        pytest.skip("no function with another first instruction on this machine")
    keys = {}
    for workload in ("function", "function_ret"):
        path, symbol, _ = _workload.workload_symbol(workload)
        store = KeptCosts()
        own_cost(choose_pair(compiled_here, f"{path}:{symbol}"), Filters(), Scale(), store)
        keys[workload] = {*store.found}
    assert keys["function"] == {f"funclatency/uprobe/uretprobe/slots/{x}" for x in KeptCosts.NAMES}
    assert keys["function_ret"] == {
        f"funclatency/uprobe/uretprobe/slots/function_ret/{x}" for x in KeptCosts.NAMES
    }


class KeptCosts:
    """A store that has nothing, and keeps what it is given."""

    NAMES = ("per_call", "inside")

    def __init__(self):
        self.found = {}

    def get(self, key):
        return self.found.get(key)

    def put(self, values):
        self.found |= values
        return True
