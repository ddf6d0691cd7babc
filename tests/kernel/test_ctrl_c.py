"""Ctrl-C in the middle of a real run: the finished rows, status 130, and nothing left attached."""

from __future__ import annotations

import json
import signal

import pytest
from processes import start_python

from ebpf_overhead.errors import ExitStatus

# Says when a row is finished; everything else is the command's own.
TOLD = """
import sys
from contextlib import closing
from ebpf_overhead.cli import main, output
gather = output.Output.gather
def told(self, rows):
    def each():
        with closing(rows):
            for row in rows:
                yield row
                if not isinstance(row, dict):  # the record of a kernel
                    print("row", file=sys.stderr, flush=True)
    return gather(self, each())
output.Output.gather = told
main(prog_name="ebpf-overhead")
"""
# Says when cases that take turns are looked at for the first time.
LOOKED_AT = """
import sys
from ebpf_overhead.cli import main
from ebpf_overhead.measure import turns
usual, looks = turns.Turns._sampled, []
def look(self):
    looks.append(self)
    if len(looks) == 1:
        print("look", file=sys.stderr, flush=True)
    return usual(self)
turns.Turns._sampled = look
main(prog_name="ebpf-overhead")
"""
# Says when the first process begins to measure, or when it has measured and the next one begins.
PROCESSES = """
import sys
from ebpf_overhead.cli import main, processes
usual = processes.MeasuringProcess.record
begun = []
def record(self, *limits):
    begun.append(self)
    if len(begun) == ["begins", "ends"].index(sys.argv[-1]) + 1:
        print(sys.argv[-1], file=sys.stderr, flush=True)
    return usual(self, *limits)
processes.MeasuringProcess.record = record
main(args=sys.argv[1:-1], prog_name="ebpf-overhead")
"""
# Says when a study that estimates begins to count.
COUNTING = """
import sys
from ebpf_overhead.cli import main
from ebpf_overhead.tools.estimate import run
usual = run.count
def count(*given, **named):
    print("counting", file=sys.stderr, flush=True)
    return usual(*given, **named)
run.count = count
main(prog_name="ebpf-overhead")
"""
# Each has more rows to measure than one, and would take minutes for the rest.
COMMANDS = (
    ("measure", "--program=empty", "--bystander", "--time=2m"),
    ("study", "coattachment", "--programs=1", "--programs=2", "--time=2m"),
    ("study", "map-state", "--state=warm_hit", "--entries=8", "--time=2m"),
    ("study", "attach-latency", "--attach=uprobe", "--rounds=8"),
)


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words[:2]))
def test_finished_rows_are_printed(words, some_attach_type, nothing_left):
    limits = ("--precision=50%,1000ns",) if "measure" in words or "map-state" in words else ()
    process = start_python(TOLD, *words, f"--attach={some_attach_type}", "--json", *limits)
    assert process.stderr is not None
    assert process.stderr.readline() == "row\n"
    process.send_signal(signal.SIGINT)
    output, said = process.communicate(timeout=60)
    rows = 1 + said.splitlines().count("row")
    assert process.returncode == ExitStatus.INTERRUPTED
    assert said.splitlines()[-1] == "ebpf-overhead: interrupted; nothing is left attached"
    record = json.loads(output)
    assert record["cut_short"] == "interrupted"
    assert len(record["cases"]) == rows
    nothing_left()


def test_cases_that_take_turns_are_printed_with_the_intervals_they_have(
    some_attach_type, nothing_left
):
    words = ("measure", f"--attach={some_attach_type}", "--json", "--precision=0.001ns")
    process = start_python(LOOKED_AT, *words, "--time=2m")
    assert process.stderr is not None
    assert process.stderr.readline() == "look\n"
    process.send_signal(signal.SIGINT)
    output, said = process.communicate(timeout=60)
    assert process.returncode == ExitStatus.INTERRUPTED
    assert said.splitlines() == ["ebpf-overhead: interrupted; nothing is left attached"]
    record = json.loads(output)
    assert record["cut_short"] == "interrupted"
    assert [case["status"] for case in record["cases"]] == ["measured"] * 3
    assert [case["stopped_by"] for case in record["cases"]] == ["time"] * 3
    nothing_left()


@pytest.mark.parametrize("when", ["begins", "ends"])
def test_processes_that_were_finished_are_printed(when, some_attach_type, nothing_left):
    limits = ("--time=2s", "--precision=0.001ns")
    words = (
        "measure",
        f"--attach={some_attach_type}",
        "--program=empty",
        "--processes=5",
        "--json",
    )
    process = start_python(PROCESSES, *words, *limits, when)
    assert process.stderr is not None
    assert process.stderr.readline() == f"{when}\n"
    process.send_signal(signal.SIGINT)
    output, said = process.communicate(timeout=60)
    assert process.returncode == ExitStatus.INTERRUPTED
    assert said.splitlines()[-1] == "ebpf-overhead: interrupted; nothing is left attached"
    if when == "ends" or output:
        record = json.loads(output)
        assert record["cut_short"] == "interrupted"
        assert [case["status"] for case in record["cases"]] == ["measured"]
    nothing_left()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_study_that_estimates_ends_while_it_counts(number, nothing_left):
    process = start_python(COUNTING, "study", "validation", "--attach=uprobe")
    assert process.stderr is not None
    while (line := process.stderr.readline()) != "counting\n":
        assert line
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert said.splitlines()[-1].endswith("; nothing is left attached")
    nothing_left()
