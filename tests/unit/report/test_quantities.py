"""Records of every study and tool -> their numbers, each with a name of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from processes import ROOT

from ebpf_overhead.report.comparison import compare
from ebpf_overhead.report.quantities import BASELINE, quantities, reasons
from ebpf_overhead.report.side import of_record
from ebpf_overhead.report.versions import upgraded

RECORDS = sorted((ROOT / "tests/data/records").glob("*.json"))


def read(path: Path):
    return upgraded(json.loads(path.read_text()))


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_every_record_has_numbers_and_does_not_differ_from_itself(path):
    found = compare(of_record(read(path), "a"), of_record(read(path), "b"))
    assert found.rows
    assert not found.changed
    assert found.only_before == found.only_after == ()
    assert len(found.rows) == len(quantities(read(path)))


@pytest.mark.parametrize(
    ("name", "what", "of", "unit", "value"),
    [
        ("measure_1", "overhead", ("getpid", "tp_btf", "empty"), "ns", 19.3946),
        ("measure_1", BASELINE, ("getpid",), "ns", 121.7237),
        ("scaling_1", "throughput", ("getpid", "tp_btf", "empty", "2 CPUs"), "/s", 13401546),
        ("attach_latency_1", "attach elapsed", ("getpid", "tp_btf", "simple"), "ns", 141921),
        ("beside_1", "overhead", ("getpid", "tp_btf", "empty", "beside 1 tp_btf"), "ns", 27.9537),
        ("estimate_1", "bystanders core share", (), "of a core", 0.0012596),
        ("profile_1", "probed per call", (), "ns", 182.6043),
        ("validation_1", "true overhead", ("getpid", "tp_btf", "simple"), "ns", 55.5985),
    ],
)
def test_numbers_are_named(name, what, of, unit, value):
    found = {each.key: each for each in quantities(read(ROOT / f"tests/data/records/{name}.json"))}
    assert found[what, of, unit].value.estimate == pytest.approx(value, rel=1e-4)


def test_instructions_are_exact_and_reasons_are_kept():
    record = read(ROOT / "tests/data/records/measure_guest_1.json")
    assert {each.exact for each in quantities(record)} == {True}
    (of,) = reasons(record)
    assert of == ("function", "uprobe_session", "empty")
    assert reasons(record)[of].startswith("unsupported: EINVAL at attach")
