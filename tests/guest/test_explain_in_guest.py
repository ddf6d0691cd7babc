"""Calls stepped through on the old kernel and the new one: every instruction is accounted for."""

from __future__ import annotations

import jsonschema
import pytest

from ebpf_overhead.hooks.attach_types import REFERENCE
from ebpf_overhead.hooks.cases import select
from ebpf_overhead.studies.explain.record import make_record
from ebpf_overhead.studies.explain.run import explain
from ebpf_overhead.studies.explain.tables import agrees
from ebpf_overhead.studies.registry import schema


@pytest.fixture(params=[-2, -1], ids=["stable", "newest"])
def record(request, kernels):
    kernel = kernels[max(request.param, -len(kernels))]
    cases = select(("tracepoint", *REFERENCE), ["empty"], ["getpid"])
    return make_record(explain(kernel.release, cases, lambda line: None))


def test_the_sum_of_all_functions_is_the_overhead_that_was_measured(record, note):
    jsonschema.validate(record, schema("explain"))
    assert record["cases"]
    for case in record["cases"]:
        added = case["probed"] - case["unprobed"]
        note(f"{case['attach']}, {case['kernel']}: {added} of {case['measured']:.2f} explained")
        assert agrees(case)
        assert case["calls_alike"]
        changes = [row["probed"] - row["unprobed"] for row in case["functions"]]
        assert sum(changes) == added
        (program,) = [row for row in case["functions"] if row["part"] == "program"]
        assert program["name"] == "bpf_prog_empty"
