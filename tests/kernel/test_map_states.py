"""The states of a map on the running kernel: every run ends as its state says."""

from __future__ import annotations

import json

import gate
import jsonschema
import pytest
from processes import run_command

from ebpf_overhead.measure.result import Sampling
from ebpf_overhead.studies.map_state import run
from ebpf_overhead.studies.map_state.states import STATES, Size
from ebpf_overhead.studies.registry import schema

BRIEF = Sampling(time_s=0.05)


@pytest.fixture(autouse=True)
def hook(support):
    if support["tp_btf"].status != "available":
        gate.cannot_run(f"tp_btf: {support['tp_btf'].reason}")


@pytest.mark.parametrize("state", STATES)
def test_every_run_ends_as_the_state_says(state):
    (found,) = run.measure(run.cells([STATES[state]], [Size(entries=64)], "tp_btf"), BRIEF)
    measured = found.result.measurement
    assert measured is not None, found.result.reason
    assert abs(measured.hits.hits - measured.hits.calls) <= measured.hits.slack
    assert found.outcomes.done == found.outcomes.runs > measured.hits.calls
    if state == "full_fail":
        assert found.keys_before == found.keys_after == 64
    if state == "lru_evict":
        assert found.evicted >= found.outcomes.runs - 64


@pytest.mark.parametrize("size", [Size(4, 8, 1), Size(256, 4096, 100), Size(8, 8, 1 << 20)])
def test_ends_of_every_size(size):
    for found in run.measure(run.cells([STATES["full_fail"]], [size], "tp_btf"), BRIEF):
        assert found.result.status == "measured", found.result.reason
        assert found.keys_after == size.entries


def test_the_command_writes_a_record_and_leaves_nothing(nothing_left):
    options = ["--state=lru_evict", "--entries=10", "--time=0.05", "--format=json"]
    ran = run_command("study", "map-state", *options)
    assert ran.returncode == 0, ran.stderr
    record = json.loads(ran.stdout)
    jsonschema.validate(record, schema("map-state"))
    assert [case["state"] for case in record["cases"]] == ["none", "lru_evict"]
    nothing_left()
