"""Predictions and profiles where instructions are counted: exact truths, every kind of hook."""

from __future__ import annotations

import json
import shutil
import sys

import pytest

VALIDATE = """
import json
from ebpf_overhead import machine
from ebpf_overhead.cases import select
from ebpf_overhead.validation.record import make_record
from ebpf_overhead.validation.run import Options, validate

cases = select(["kprobe", "uprobe"], ["simple"], ["getpid", "function"])
options = Options(count_s=0.2, time_s=0.05)
found = list(validate(cases, options, lambda case, share: None))
print(json.dumps(make_record(found, machine.describe().as_dict(), options, "instructions")))
"""

PROFILE = """
import json
from ebpf_overhead.cases import select
from ebpf_overhead.profile.loop import profile_loop
from ebpf_overhead.profile.parts import shares

found = {}
for attach in ("fexit", "kprobe"):
    (case,) = select([attach], ["simple"], ["getpid"])
    profile = profile_loop(case, 0.06, lambda line: None)
    for name in ("unprobed", "probed"):
        half = getattr(profile, name)
        parts = {part.name: share for part, share in shares(half.stacks, profile.target).items()}
        found[f"{attach}/{name}"] = dict(per_call=half.per_call, parts=parts)
print(json.dumps(found))
"""


def run(guest, code: str):
    done = guest.run([sys.executable, "-c", code], timeout=400)
    assert done.exit_status == 0, done.stderr
    return json.loads(done.stdout)


def test_overhead_of_a_load_is_the_one_that_was_measured_on_a_loop(guest, note):
    record = run(guest, VALIDATE)
    assert [case["attach"] for case in record["cases"]] == ["kprobe", "uprobe"]
    for case in record["cases"]:
        assert case["status"] == "measured", case["reason"]
        assert case["true"]["hits"] == case["true"]["calls"]
        assert case["true"]["late_batches"] == 0
        # The load makes other calls too, one in hundreds.
        said, true = (case[each]["overhead"]["estimate"] for each in ("predicted", "true"))
        assert true == pytest.approx(said, rel=0.01)
        # A batch more or less of twenty: that is how exact a rate is in a fifth of a second.
        rate = case["predicted"]["events_per_second"]
        assert rate == pytest.approx(record["calls_per_s"], rel=0.06)
        assert case["verdict"] in ("interval", "tolerance")
        note(f"validate {case['attach']}: predicted {said:.1f}, true {true:.1f} instructions")


def test_parts_of_a_call_are_where_its_instructions_are(guest, note):
    if shutil.which("perf") is None:  # the guest's files are the host's
        pytest.skip("perf is not installed")
    found = run(guest, PROFILE)
    for attach in ("fexit", "kprobe"):
        unprobed, probed = (found[f"{attach}/{name}"] for name in ("unprobed", "probed"))
        assert unprobed["parts"]["PROGRAM"] == unprobed["parts"]["DISPATCH"] == 0
        added = sum(probed["parts"][name] for name in ("DISPATCH", "PROGRAM", "HELPERS"))
        overhead = 1 - unprobed["per_call"] / probed["per_call"]
        # What perf finds outside of the target is what the loop takes longer.
        assert added == pytest.approx(overhead, abs=0.06)
        note(f"profile {attach}: {100 * added:.0f} % of a call added, {100 * overhead:.0f} % timed")
