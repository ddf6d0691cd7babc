"""Parts of a measurement in a guest, counted exactly: attaching, the loop, states of a map."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import jsonschema
import pytest

from ebpf_overhead.hooks.cases import STANDARD_ATTACH_TYPES
from ebpf_overhead.studies.map_state.tables import costs
from ebpf_overhead.studies.registry import schema

ATTACH_THRICE = """
import sys
from ebpf_overhead.hooks import probe as attach
from ebpf_overhead.hooks.cases import select

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
from ebpf_overhead.workload import _workload
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
    program = [sys.executable, "-m", "ebpf_overhead.cli", "study", command, "--json"]
    done = guest.run([*program, *options], timeout=200)
    made = json.loads(done.stdout)
    assert done.exit_status == 0, [case["reason"] for case in made["cases"]]
    jsonschema.validate(made, schema(command))
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
    assert large == pytest.approx(small, rel=0.01)


def test_attaching_takes_as_many_instructions_each_time(guest):
    """But for the first time, and a timer now and then."""
    options = ["--attach=raw_tracepoint", "--rounds=8"]
    (case,) = record(guest, "attach-latency", *options)["cases"]
    assert (case["status"], case["cpu_unit"]) == ("measured", "instructions"), case["reason"]
    assert case["hits"] == case["calls"]
    for name, operation in case["operations"].items():
        low, *_, high = sorted(operation["samples"]["cpu"])[2:6]
        assert low > 1000, name
        assert high < 1.15 * low, name


IN_COMPANY = """
import json
from dataclasses import replace
from ebpf_overhead.hooks import probe as attach, existing as occupants
from ebpf_overhead.measure import bystander
from ebpf_overhead.studies.coattachment import cases as cohabitation
from ebpf_overhead.hooks.cases import select
from ebpf_overhead.measure.result import Sampling
from ebpf_overhead.measure.run import measure_case
from ebpf_overhead.measure.caller_counter import open_caller_counter
from ebpf_overhead.workload.workloads import GETPID

sampling = Sampling(time_s=0.05, seed=1)
caller_counter = open_caller_counter(GETPID)
found = {}

def note(result):
    measured = result.measurement
    assert measured is not None, (result.name, result.reason)
    hits = measured.bystander_hits or measured.hits
    residue = measured.residue and measured.residue.estimate
    found[result.name] = (
        measured.overhead.estimate, hits.calls, hits.hits, residue, measured.probed.median
    )

def measure(case, **conditions):
    note(measure_case(replace(case, after_detach=True, **conditions), sampling))

for case in select(["fentry", "tracepoint", "tp_btf"], ["empty"]):
    for caller in (bystander.BYSTANDERS[0], bystander.BYSTANDERS[-1]):
        measure(case, caller=caller)
cases = select(["fentry", "kprobe"], ["empty"])
for case in cohabitation.numbers(cases[:1], [1, 2]) + cohabitation.pairs(cases):
    if case.name not in found:
        measure(case)

for case in cases:
    with attach.load(case) as probe:
        probe.attach()
        found[f"on {case.name}"] = [each.kind for each in occupants.of(GETPID)]
found["on nothing"] = [each.kind for each in occupants.of(GETPID)]
print(json.dumps(found))
"""
EXACT = 0.5  # instructions a call: what repeats differ by


@pytest.fixture(scope="module")
def in_company(shared_guest):
    done = shared_guest.run([sys.executable, "-c", IN_COMPANY], timeout=180)
    assert done.exit_status == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_bystanders_pay_for_hooks_of_all_calls_and_for_no_function(in_company, note):
    def bystander(attach, where=""):
        overhead, calls, hits, *_ = in_company[f"getpid/{attach}/empty, getppid{where}"]
        assert calls == 2000
        assert hits == (calls if attach == "tp_btf" else 0)
        return overhead

    elsewhere = " (other process)"
    assert bystander("fentry") == pytest.approx(0, abs=EXACT)
    assert bystander("fentry", elsewhere) == pytest.approx(0, abs=EXACT)
    # Not hit, and yet made to take the slow way in and out of the kernel.
    assert bystander("tracepoint") > 30
    assert bystander("tracepoint") == pytest.approx(bystander("tracepoint", elsewhere), abs=EXACT)
    assert bystander("tp_btf") > 30
    assert bystander("tp_btf") == pytest.approx(bystander("tp_btf", elsewhere), abs=EXACT)
    note(f"getppid pays {bystander('tracepoint'):.1f} instructions for a tracepoint on getpid")


def test_nothing_is_left_of_a_probe_that_is_gone(in_company):
    residues = {name: row[3] for name, row in in_company.items() if not name.startswith("on ")}
    assert len(residues) == 16
    for name, residue in residues.items():
        assert residue == pytest.approx(0, abs=EXACT), name


@pytest.mark.parametrize(
    ("last", "first"),
    [("fentry", "fentry"), ("kprobe", "kprobe"), ("kprobe", "fentry"), ("fentry", "kprobe")],
)
def test_a_call_takes_the_same_whichever_of_its_programs_come_and_go(in_company, last, first):
    added = in_company[f"getpid/{last}/empty beside 1 {first}"]
    together = in_company[f"getpid/{last}/empty with 1 {first}"]
    alone = in_company[f"getpid/{first}/empty"]
    for row in (added, together, alone):
        assert row[1] == row[2] == 2000
    assert added[0] > 30
    assert together[0] > alone[0] + 30
    assert together[4] == pytest.approx(added[4], abs=EXACT)
    # A kprobe that was shared once stays dearer: that is in the other one's baseline.
    if (last, first) != ("kprobe", "kprobe"):
        assert together[0] == pytest.approx(alone[0] + added[0], abs=2 * EXACT)


def test_who_is_on_a_target_is_seen(in_company):
    assert in_company["on nothing"] == []
    assert in_company["on getpid/fentry/empty"] == ["bpf", "ftrace"]
    assert in_company["on getpid/kprobe/empty"] == ["bpf", "kprobe", "ftrace"]
