"""``estimate`` on the running kernel: exact counts, right sums, clear refusals."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from pathlib import Path

import leftovers
import pytest
from processes import run_command, start_command, start_python
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from user_programs import COMPAT, OPENS, compiled, compiled_go

from ebpf_overhead.bpf.syscall import counting_runs
from ebpf_overhead.errors import OverheadError
from ebpf_overhead.hooks.cases import select
from ebpf_overhead.measure.run import Sampling, measure_cases
from ebpf_overhead.tools.estimate.compat import compat_calls, compat_number
from ebpf_overhead.tools.estimate.costs import attach_types_for
from ebpf_overhead.tools.estimate.counting import count, counters
from ebpf_overhead.tools.estimate.places import Place
from ebpf_overhead.tools.estimate.run import attach_type_for
from ebpf_overhead.tools.tracers.filters import Filters
from ebpf_overhead.tools.tracers.waiting import Watch
from ebpf_overhead.workload import _workload

CALLS = 10_007  # a prime number
PATH, SYMBOL, _ = _workload.workload_symbol()
OWN = Filters(pid=os.getpid())
# It lives on for a while: a share is of the time that was counted, and would be any without.
CALLER = f"""
import sys, time
from ebpf_overhead.workload import _workload
sys.stdin.readline()
_workload.run("getpid", {CALLS})
time.sleep(0.3)
"""


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("EBPF_OVERHEAD_DATA", str(tmp_path))


@pytest.fixture
def results(tmp_path) -> str:
    """A record of ``measure`` with round overheads, so that nothing has to be measured."""
    cases = [
        {
            "attach": attach,
            "program": "simple",
            "status": "measured",
            "overhead": {"estimate": 200.0, "low": 190.0, "high": 220.0, "confidence": 0.99},
        }
        for attach in ("tracepoint", "raw_tracepoint", "tp_btf", "fentry", "kprobe")
    ]
    machine = {"kernel": {"release": os.uname().release}}
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"machine": machine, "cases": cases}))
    return str(path)


def test_every_place_is_counted_exactly_and_by_itself():
    places = [
        Place("syscall", "getpid"),
        Place("user", f"{PATH}:{SYMBOL}"),
        Place("syscall", "getppid"),
    ]
    with counters(places, OWN) as counter:
        _workload.run("getpid", CALLS)
        _workload.run("function", 2 * CALLS)
        assert counter.read().tolist() == [CALLS, 2 * CALLS, 0]
    _workload.run("getpid", CALLS)
    assert counter.read().tolist() == [CALLS, 2 * CALLS, 0]


def test_rates_are_events_by_time():
    with counters([Place("syscall", "getpid")], OWN) as counter, Watch(0.05) as watch:
        rates = count(counter, watch, lambda seconds: _workload.run("getpid", CALLS))
        # Called after the last reading of a step and before the final one.
        assert rates.events.tolist() == [CALLS]
        assert rates.steps.shape == (1, 1)


def test_place_that_cannot_be_counted_does_not_keep_others_from_it():
    places = [Place("tracepoint", "no:such_event"), Place("syscall", "getpid")]
    with counters(places, OWN) as counter:
        assert counter.places == places[1:]
        assert "no tracepoint no:such_event" in str(counter.refused[places[0]])
    with pytest.raises(OverheadError), counters(places[:1], OWN):
        pass


def attached(process: subprocess.Popen[str]) -> None:
    for line in process.stderr:
        if line.startswith("Counting "):
            while not leftovers.is_attached(process.pid):
                time.sleep(0.01)
            return
    raise AssertionError("it ended before it counted")


@pytest.mark.parametrize(("budget", "status"), [("50%", 0), ("0.0001%", 1)])
def test_answer_budget_and_exit_status(results, budget, status, nothing_left):
    with start_python(CALLER) as caller:
        arguments = ["--pid", str(caller.pid), "--results", results, "--budget", budget]
        command = start_command(
            "estimate", "tracepoint:syscalls:sys_enter_getpid", *arguments, "--format", "json"
        )
        attached(command)
        caller.communicate("go\n")
        out, err = command.communicate(timeout=100)
    record = json.loads(out)
    assert command.returncode == status, err
    assert record["ended_by"] == "exit"  # of the process, long before the ten seconds
    assert record["places"][0]["events"] == CALLS
    expected = CALLS / record["seconds"] * 200e-9
    assert record["core_share"]["estimate"] == pytest.approx(expected, rel=1e-4)
    assert record["machine_share"]["high"] == pytest.approx(
        record["total_core_share"]["high"] / os.cpu_count()
    )
    # What bystanders pay is measured, and the interval of that is wide on a busy machine.
    assert record["budget"]["verdict"] in (["yes"] if status == 0 else ["no", "unsure"])
    nothing_left()


def test_target_that_never_runs(results, nothing_left):
    run = run_command("estimate", "syscall:acct", "-d", "0.1", "--results", results, "--no-latency")
    assert run.returncode == 3
    assert re.search(r"none of the attach points ran in \d+\.\d s", run.stderr), run.stderr
    nothing_left()


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ([], 2, "no attach point was named"),
        (["syscall:reed"], 2, "no system call is called 'reed'"),
        (["--function", "no_such_function_*"], 2, "no kernel function matches"),
        (["--function", "*"], 2, "at most 200 can be hooked"),
        (["vfs_reed"], 2, "no function vfs_reed in this kernel"),
        (["syscall:read", "--pid", "4194305"], 2, "no process has id 4194305"),
        (["tracepoint:no:such"], 3, "no tracepoint no:such in this kernel"),
        (["syscall:read", "--budget", "1"], 2, "is not like 1%"),
        (["c:no_such_function"], 2, "no function no_such_function"),
        (["syscall:read", "--openmetrics", "/no/such/x.prom"], 2, "/no/such is not a directory"),
    ],
)
def test_wrong_use(arguments, status, words, nothing_left):
    run = run_command("estimate", *arguments)
    assert (run.returncode, words in run.stderr) == (status, True), run.stderr
    nothing_left()


def test_results_of_another_kernel_are_refused(results):
    path = Path(results)
    path.write_text(path.read_text().replace(os.uname().release, "5.4.0"))
    run = run_command("estimate", "syscall:read", "--results", results)
    assert run.returncode == 2
    assert "is of kernel 5.4.0" in run.stderr


RIGHTS = ("CAP_SYS_ADMIN", "CAP_BPF", "CAP_PERFMON")


@pytest.mark.parametrize("command", ["estimate", "funclatency"])
def test_missing_rights(command, nothing_left):
    run = run_command(command, "syscall:read", "--duration", "1", without=RIGHTS)
    assert run.returncode == 3
    assert ": CAP_BPF and CAP_PERFMON missing; run as root" in run.stderr
    assert run.stderr.count("\n") == 1
    nothing_left()


@pytest.mark.parametrize("attach", ["uretprobe", "uretprobe_multi"])
def test_return_probe_on_go_is_refused_and_the_entry_is_estimated(tmp_path, attach, nothing_left):
    place = Place("user", f"{compiled_go(tmp_path)}:main.work")
    with pytest.raises(OverheadError, match="has Go code"):
        attach_type_for(place, attach)
    assert attach_type_for(place, None) == "uprobe"
    assert not {"uretprobe", "uprobe_session"} & {*attach_types_for(place)}
    nothing_left()


def test_system_calls_of_32_bit_programs_are_counted(tmp_path):
    program = compiled(COMPAT, tmp_path / "program", "-m32", "-nostdlib", "-static", "-fno-pic")
    places = [Place("syscall", "openat"), Place("syscall", "getpid")]
    if compat_number("openat") is None:
        pytest.skip("libseccomp, which knows the numbers, is not installed")
    with subprocess.Popen([program], stdin=subprocess.PIPE) as process:
        only = Filters(pid=process.pid)
        with counters(places, only) as counter, compat_calls(places, only) as calls:
            process.communicate(b"go")
            assert counter.read().tolist() == [0, 0]
            assert calls() == {places[0]: OPENS, places[1]: 0}


def test_statistics_of_somebody_else_are_said_and_nothing_is_stored(tmp_path):
    with counting_runs():
        run = run_command("estimate", "syscall:read", "-d", "0.2", "--no-latency", "--json")
    assert run.returncode == 0, run.stderr
    record = json.loads(run.stdout)
    assert "the kernel's run statistics are on, switched on by somebody else" in record["notes"][0]
    assert record["places"][0]["origin"].endswith("were on, so not stored")
    assert not list(tmp_path.glob("overheads/*"))


def test_measured_case_is_labelled_with_statistics_of_somebody_else():
    with counting_runs():
        (result,) = measure_cases(select(["tp_btf"], ["empty"]), Sampling(time_s=0.05))
    if result.measurement is None:
        pytest.skip(result.reason)
    assert result.measurement.with_statistics


def test_rate_and_kernel_that_is_wanted():
    run = run_command("estimate", "vfs_read", "--attach", "kprobe", "--kernel", "6.12")
    assert run.returncode == 2
    assert "give the rate: --rate 20000/s" in run.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--rate", "5/s", "--comm", "x"],
            "with --rate nothing is counted, so command says nothing",
        ),
        (["--rate", "5/s", "--kernel", "6.12", "--results", "RESULTS"], "measures on another"),
        (["--rate", "often"], "'often' is not like 20000/s"),
    ],
)
def test_options_that_contradict_a_rate(results, arguments, words):
    given = [results if each == "RESULTS" else each for each in arguments]
    done = run_command("estimate", "syscall:read", *given)
    assert done.returncode == 2
    assert words in done.stderr


def test_function_that_cannot_be_counted_has_a_next_step(support):
    if "available" in (support["kprobe"].status, support["fentry"].status):
        pytest.skip("this kernel counts functions")
    run = run_command("estimate", "vfs_read", "--attach", "kprobe")
    assert run.returncode == 3
    assert "CONFIG_KPROBES off" in run.stderr
    assert "--kernel 6.12 --rate 20000/s" in run.stderr


def test_openmetrics_file(results, tmp_path):
    path = tmp_path / "estimate.prom"
    run = run_command(
        "estimate", "syscall:read", "-d", "0.2", "--no-latency", "--attach", "tracepoint",
        "--results", results, "--openmetrics", str(path),
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    found = {
        sample.name: sample for family in openmetrics(path.read_text()) for sample in family.samples
    }
    cost = found["ebpf_overhead_estimate_event_cost_seconds"]
    assert cost.value == pytest.approx(200e-9)
    assert cost.labels["kernel"] == os.uname().release
    assert cost.labels["attach"] == "tracepoint"
    assert found["ebpf_overhead_estimate_events_per_second"].value > 0
