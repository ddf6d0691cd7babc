"""What a probe costs by the project, and by a C program of our own with libbpf, in turns.

The machine may be twice as fast in one second as in the next.  So both are measured six times, one
directly after the other.  A right one of six is above the other's interval in at most one time of
ten, where nothing but chance decides; six of six are, less than once in 10,000 times.
"""

from __future__ import annotations

import json
import subprocess

import bare_probe
import gate
import pytest
from processes import run_command

from ebpf_overhead.errors import MissingToolError
from ebpf_overhead.measure.sampling import choose_cpu
from ebpf_overhead.measure.stats import Interval

TIMES = 6


@pytest.fixture(scope="module")
def pairs(support, tmp_path_factory):
    """Intervals of the project, each with what the bare program found next to it."""
    attach = next(
        (name for name in bare_probe.SECTIONS if support[name].status == "available"), None
    )
    if attach is None:
        gate.cannot_run("this kernel has none of the attach types of the objects")
    try:
        made = bare_probe.build(tmp_path_factory.mktemp("bare"))
    except MissingToolError as error:
        pytest.skip(str(error))
    words = bare_probe.words(
        made, attach, "simple", calls=3000, windows=16, rounds=12, cpu=choose_cpu()
    )
    return [(_ours(attach), _bare(words)) for _ in range(TIMES)]


def _ours(attach: str) -> Interval:
    run = run_command("measure", f"--attach={attach}", "--program=simple", "--json", "--time=0.3")
    assert run.returncode == 0, run.stderr
    (case,) = json.loads(run.stdout)["cases"]
    return Interval(**case["overhead"])


def _bare(words: list[str]) -> float:
    run = subprocess.run(words, check=True, capture_output=True, text=True, timeout=60)
    return bare_probe.parse(run.stdout).overhead


def test_a_bare_program_finds_what_lies_in_the_interval(pairs, note):
    for ours, bare in pairs:
        note(f"simple: {ours.estimate:.1f} ({ours.low:.1f} … {ours.high:.1f}) ns, bare {bare:.1f}")
    assert not all(bare > ours.high for ours, bare in pairs)
    assert not all(bare < ours.low for ours, bare in pairs)
