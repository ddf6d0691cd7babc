"""Parts of a measurement in a guest, counted exactly: attaching, the loop, states of a map."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import jsonschema
import pytest

from ebpf_overhead.cases import STANDARD_ATTACH_TYPES
from ebpf_overhead.report.map_state import costs
from ebpf_overhead.report.record import schema

ATTACH_THRICE = """
import sys
from ebpf_overhead import attach
from ebpf_overhead.cases import select

for case in select(sys.argv[1:], ["simple"]):
    with attach.load(case) as probe:
        for _ in range(3):
            probe.attach()
            probe.detach()
    print(case.attach.name)
"""


def test_every_standard_attach_type_attaches_again_and_again(guest):
    done = guest.run([sys.executable, "-c", ATTACH_THRICE, *STANDARD_ATTACH_TYPES], timeout=120)
    assert done.exit_status == 0, done.stderr
    assert done.stdout.split() == list(STANDARD_ATTACH_TYPES)


ROOT = Path(__file__).resolve().parents[2]
CALLS, WINDOWS = 20_000, 3
LOOP = f"""
from ebpf_overhead import _workload
print(min(_workload.run("getpid", {CALLS}, {WINDOWS}, cpu=0)[0]) / {CALLS})
"""


def test_loop_costs_what_a_bare_c_program_costs(guest, note):
    """To an instruction or two; tests/cost/loop.py compares the two in time."""
    bare = ["/tmp/bare_loop", str(CALLS), str(WINDOWS), "0"]
    built = guest.run(["cc", "-O2", "-o", bare[0], str(ROOT / "tests/bare_loop.c")], timeout=60)
    assert built.exit_status == 0, built.stderr
    expected = float(guest.run(bare, timeout=60).stdout)
    found = float(guest.run([sys.executable, "-c", LOOP], timeout=60).stdout)
    note(f"getpid: {found:.3f} instructions in the extension, {expected:.3f} in a bare C program")
    assert found == pytest.approx(expected, abs=2)


def record(guest, command, *options):
    program = [sys.executable, "-m", "ebpf_overhead.cli", command, "--format=json"]
    done = guest.run([*program, *options], timeout=200)
    assert done.exit_status == 0, done.stderr
    made = json.loads(done.stdout)
    jsonschema.validate(made, schema(command.replace("-", "_")))
    return made


def test_failing_update_costs_the_same_whatever_the_size_of_the_map(guest):
    made = record(
        guest, "map-state", "--attach=fentry", "--state=full_fail", "--entries=2", "--entries=5000"
    )
    for case in made["cases"]:
        assert case["status"] == "measured", case["reason"]
        assert case["hits"] == case["calls"]
        assert case["runs_as_stated"] == case["runs"]
    small, large = (cost.estimate for cost in costs(made).values())
    assert small > 100
    assert large == pytest.approx(small, abs=2)


def test_attaching_takes_as_many_instructions_each_time(guest):
    (case,) = record(guest, "attach-latency", "--attach=fentry", "--rounds=8")["cases"]
    assert (case["status"], case["cpu_unit"]) == ("measured", "instructions"), case["reason"]
    assert case["hits"] == case["calls"]
    for name, operation in case["operations"].items():
        counted = operation["cpu"]
        assert counted["estimate"] > 1000, name
        assert counted["high"] - counted["low"] < 0.2 * counted["estimate"], name
