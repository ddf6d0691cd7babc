"""A misspelt benchmark is found before any kernel is booted."""

from __future__ import annotations

import json

import pytest
from processes import ROOT

from ebpf_overhead.asv import benchmark_names
from ebpf_overhead.errors import BadUseError, UnknownNameError

CONF = ROOT / "asv.kernels.json"
STORED = json.loads((ROOT / "results/kernels/benchmarks.json").read_text())


@pytest.mark.parametrize("name", [name for name in STORED if "." in name])
def test_every_benchmark_that_was_ever_stored_is_known(name):
    benchmark_names.require([f"^{name}$", name.replace(".", r"\.")], CONF)


@pytest.mark.parametrize(
    "pattern", [r"^(getpid|tracepoints)\.Instructions\.", r"getpid.*\(fentry", "map_state", "."]
)
def test_patterns(pattern):
    benchmark_names.require([pattern], CONF)


def test_misspelt_name_is_answered_with_the_closest():
    with pytest.raises(UnknownNameError) as caught:
        benchmark_names.require([r"^getpit\.Instructions"], CONF)
    text = str(caught.value)
    assert text.startswith("no benchmark is called 'getpit.Instructions'; did you mean ")
    assert "getpid.Instructions" in text


def test_what_is_no_regular_expression():
    with pytest.raises(BadUseError, match=r"is no regular expression: unterminated"):
        benchmark_names.require(["getpid["], CONF)
