"""Measuring cases as the one thing that a process does: what it prints, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from ebpf_overhead.errors import ExitStatus, RefusedError
from ebpf_overhead.hooks.cases import select
from ebpf_overhead.measure.result import Result, Sampling
from ebpf_overhead.measure.sampling import Precision
from ebpf_overhead.studies import cases_run
from ebpf_overhead.studies.cases_run import Job

JOB = Job("grid", select(["kprobe"]), Sampling(Precision(0.02, 0.5), 0.1, 0, 7), verifier_log=True)


def test_a_job_is_the_same_after_the_way():
    assert Job.of_json(JOB.to_json()) == JOB


@pytest.fixture
def ended(monkeypatch, capsys):
    """Run the process with something in the place of measuring; return status, record, errors."""

    def run(measure_cases):
        monkeypatch.setattr(cases_run.preflight, "check", lambda cases=None: None)
        monkeypatch.setattr(cases_run, "measure_cases", measure_cases)
        monkeypatch.setattr(sys, "argv", ["-c", JOB.to_json()])
        with pytest.raises(SystemExit) as end:
            cases_run.main()
        out, error = capsys.readouterr()
        return end.value.code, out and json.loads(out), error

    return run


def unsupported(cases, *_, **__):
    for case in cases:
        yield Result(case, "unsupported", "kernel without it")


def test_all_rows(ended):
    status, record, _ = ended(unsupported)
    assert status == ExitStatus.NOTHING_MEASURABLE
    assert [case["program"] for case in record["cases"]] == ["empty", "simple", "complex"]
    assert record["options"]["seed"] == 7
    assert "cut_short" not in record


def test_rows_that_were_finished_when_ctrl_c_came(ended):
    def interrupted(cases, *_, **__):
        yield from unsupported(cases[:2])
        raise KeyboardInterrupt

    status, record, _ = ended(interrupted)
    assert status == ExitStatus.INTERRUPTED
    assert len(record["cases"]) == 2
    assert record["cut_short"] == "interrupted"


def test_nothing_measurable_is_one_line(ended):
    def refused(cases, *_, **__):
        raise RefusedError("CAP_BPF missing", "run as root")

    assert ended(refused) == (
        ExitStatus.NOTHING_MEASURABLE,
        "",
        "CAP_BPF missing; run as root\n",
    )


def test_neither_the_command_line_nor_what_shows_results_is_imported():
    code = f"import sys, {cases_run.__name__}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"click", "rich", "numpy", "msgspec", "ebpf_overhead.cli"} & set(done.stdout.split())


def test_a_long_job_is_packed_for_the_guests_command_line():
    case = next(iter(select(["tp_btf"], ["simple"])))
    job = Job("grid", [case] * 2000, Sampling(Precision()))
    text = job.to_json()
    assert len(text) < 1 << 17
    assert Job.of_json(text) == job
