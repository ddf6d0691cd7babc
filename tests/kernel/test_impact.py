"""``impact`` with a tool that has a program on sched_yield: it is counted, and always ended."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import leftovers
import pytest
from processes import run_command, start_command, start_python

from ebpf_overhead.tools.impact.presence import Patience
from ebpf_overhead.tools.impact.rounds import ImpactQuestion, rounds
from ebpf_overhead.tools.impact.segments import WorkloadTurns
from ebpf_overhead.tools.impact.starting import ToolLaunch
from ebpf_overhead.workload.calling_threads import CallingThreads
from ebpf_overhead.workload.workloads import WORKLOADS

# A tool that holds a program until it is interrupted.
TOOL = """
import os, signal, sys
from ebpf_overhead.hooks import probe
from ebpf_overhead.hooks.cases import select
with probe.load(select(sys.argv[1:2], ["simple"], ["sched_yield"])[0]) as held:
    held.attach()
    print("attached", flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        pass
"""
# The command, which says on standard error when the tool is ready: its process and programs.
TOLD = """
import sys
from ebpf_overhead.cli import main
from ebpf_overhead.tools.impact import rounds
usual = rounds.wait_until_ready
def told(tool, *given):
    found = usual(tool, *given)
    print("ready", *sorted(tool.processes()), file=sys.stderr, flush=True)
    return found
rounds.wait_until_ready = told
main(prog_name="ebpf-overhead")
"""
ATTACH = "tracepoint"
# Moments of ``kill -9``; ``EBPF_OVERHEAD_KILLS=20`` is for when there is time (2 s each).
KILLS = int(os.environ.get("EBPF_OVERHEAD_KILLS") or 6)


@pytest.fixture
def attach(support, monkeypatch) -> str:
    if support[ATTACH].status != "available":
        pytest.skip(support[ATTACH].reason)
    monkeypatch.setenv("PYTHONPATH", ":".join(filter(None, sys.path)))
    return ATTACH


def test_its_program_runs_once_per_call(attach, nothing_left):
    names = ("sched_yield", "getpid")
    windows = WorkloadTurns([WORKLOADS[name] for name in names], 0, random.Random(1))
    launch = ToolLaunch((sys.executable, "-c", TOOL, attach))
    question = ImpactQuestion(launch, windows, Patience(60.0), rounds=1, segment_s=0.01)
    with CallingThreads(random.Random(1)) as threads:
        (one,) = rounds(question, threads, lambda number: None)
    (seen,) = one.runs
    assert seen.program.name == "simple"
    assert [hook.attach for hook in seen.details.attachments] == [attach]
    found = [(each.workload, round(each.per_call.estimate)) for each in seen.runs]
    assert found == [("sched_yield", 1)]
    assert (one.life.programs, one.life.ended, one.life.changed) == (1, False, False)
    assert one.life.resident_bytes > 1 << 20
    assert set(one.on[0].per_call) == set(names)
    nothing_left()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_tool_never_outlives_the_command(attach, nothing_left, number):
    words = ("--workload=getpid", "--timeout=1m", "--ready=attached")
    process = start_python(TOLD, "impact", *words, "--", sys.executable, "-c", TOOL, attach)
    assert process.stderr is not None
    ready = process.stderr.readline()
    while ready and not ready.startswith("ready "):  # progress
        ready = process.stderr.readline()
    pids = set(map(int, ready.split()[1:]))
    assert pids
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    if number == signal.SIGKILL:
        assert process.returncode == -number
        deadline_s = time.monotonic() + leftovers.PATIENCE_S
        while any(map(leftovers.held_by, pids)) and time.monotonic() < deadline_s:
            time.sleep(0.02)
    else:
        assert process.returncode == 128 + number
        assert said.splitlines()[-1].endswith("; nothing is left attached")
    assert not any(map(leftovers.held_by, pids))
    nothing_left()


def test_killed_impact_leaves_no_tool(attach, nothing_left, note):
    """``kill -9`` at moments of the first rounds: while the tool starts, runs and ends."""
    mark = f"the tool of {os.getpid()}"
    words = ("--workload=getpid", "--segment=1ms", "--timeout=1m", "--ready=attached")
    caught = 0
    for number in range(KILLS):
        process = start_command("impact", *words, "--", sys.executable, "-c", TOOL, attach, mark)
        # The command itself and the tool's minder have the mark, too.
        while process.poll() is None and len(marked(mark)) < 3:
            time.sleep(0.1)
        time.sleep(number / KILLS)
        caught += len(marked(mark)) > 2
        process.kill()
        _, said = process.communicate(timeout=30)
        assert process.returncode == -signal.SIGKILL, said
        deadline_s = time.monotonic() + leftovers.PATIENCE_S
        while (left := marked(mark)) and time.monotonic() < deadline_s:
            time.sleep(0.1)
        assert not left
    nothing_left()
    note(f"kill -9 of impact: {KILLS} moments, {caught} while the tool ran; nothing left")
    assert caught, "killed at the wrong moments: the test shows nothing"


def marked(mark: str) -> list[str]:
    """Return the processes with a mark in their command."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended meanwhile
            if mark.encode() in path.read_bytes():
                found.append(path.parent.name)
    return found


def test_missing_rights_are_one_line(nothing_left):
    run = run_command("impact", "--", "true", without=("CAP_SYS_ADMIN",))
    assert run.returncode == 3
    assert "needs CAP_SYS_ADMIN: EPERM from bpf" in run.stderr
    assert run.stderr.count("\n") == 1
    nothing_left()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("/nope",), "/nope cannot be started: No such file or directory"),
        (("sh", "-c", "echo broken >&2; exit 2"), "with status 2; its last lines: broken;"),
    ],
)
def test_tool_that_fails_is_one_line(nothing_left, words, said):
    run = run_command("impact", "--workload=getpid", "--segment=1ms", "--", *words)
    assert run.returncode == 1
    assert said in run.stderr
    assert run.stderr.count("\n") == 1
    nothing_left()
