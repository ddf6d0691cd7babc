"""The gate of tests/kernel: run, skip with the variable's name, or fail instead of skip."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from processes import ROOT, environment

spec = importlib.util.spec_from_file_location(
    "gate", Path(__file__).parents[1] / "kernel" / "gate.py"
)
assert spec is not None
assert spec.loader is not None
gate = importlib.util.module_from_spec(spec)
spec.loader.exec_module(gate)


@pytest.mark.parametrize(
    ("wanted", "obstacle", "action"),
    [
        (None, None, "run"),
        ("", None, "run"),
        ("1", None, "run"),
        ("0", None, "skip"),
        (None, "no rights", "skip"),
        ("", "no rights", "skip"),
        ("1", "no rights", "fail"),
        ("0", "no rights", "skip"),
        ("yes", None, "fail"),
        ("2", "no rights", "fail"),
    ],
)
def test_verdict(wanted, obstacle, action):
    told, reason = gate.verdict(wanted, obstacle)
    assert told == action
    if action != "run":
        assert "EBPF_OVERHEAD_TEST_KERNEL" in reason
    if obstacle and wanted in (None, "", "1"):
        assert obstacle in reason


# A machine that cannot measure, whatever this one can.
POWERLESS = """
import sys
import pytest
from ebpf_overhead.measure import preflight
from ebpf_overhead.errors import RefusedError

def refuse():
    raise RefusedError("CAP_BPF missing", "run as root")

preflight.check = refuse
sys.exit(pytest.main(sys.argv[1:]))
"""


def run_kernel_tests(value: str) -> subprocess.CompletedProcess[str]:
    arguments = ["-q", "-rsE", "-p", "no:cacheprovider", "tests/kernel/test_attach.py"]
    return subprocess.run(
        [sys.executable, "-c", POWERLESS, *arguments],
        cwd=ROOT,
        env=environment(EBPF_OVERHEAD_TEST_KERNEL=value, COLUMNS="300"),
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "CAP_BPF missing; run as root (EBPF_OVERHEAD_TEST_KERNEL=1 makes this an error)"),
        ("0", "EBPF_OVERHEAD_TEST_KERNEL=0"),
    ],
)
def test_skipped_with_the_reason(value, reason):
    run = run_kernel_tests(value)
    assert run.returncode == 0, run.stdout
    assert reason in run.stdout
    assert "passed" not in run.stdout


def test_failed_where_they_must_run():
    run = run_kernel_tests("1")
    assert run.returncode == 1, run.stdout
    assert "CAP_BPF missing; run as root (EBPF_OVERHEAD_TEST_KERNEL=1 forbids to skip)" in (
        run.stdout
    )
    assert "passed" not in run.stdout
    assert "skipped" not in run.stdout
