"""What was measured and estimated as OpenMetrics, read back by Prometheus's own parsers."""

from __future__ import annotations

import os
import re

import pytest
from estimates import COST, REFUSED, estimate, rate
from metric_texts import TEXTS, estimated, watched
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus
from records import record

from ebpf_overhead.cli import options
from ebpf_overhead.cli.files import check_writable
from ebpf_overhead.closing import write_atomically
from ebpf_overhead.errors import BadUseError
from ebpf_overhead.report.metrics import of_estimate, of_measure
from ebpf_overhead.report.openmetrics import Metrics
from ebpf_overhead.tools.estimate.record import make_record


def values(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return what OpenMetrics' own parser reads: name and labels -> value."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in openmetrics(text)
        for sample in family.samples
    }


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_both_of_prometheus_parsers_read_the_same(text):
    new, old = list(openmetrics(text)), list(prometheus(text))
    assert [(each.name, each.type, each.documentation) for each in new] == [
        (each.name, each.type, each.documentation) for each in old
    ]
    assert [each.samples for each in new] == [each.samples for each in old]
    assert text.endswith("\n# EOF\n")


def test_files_of_several_commands_have_no_sample_in_common():
    """node_exporter's collector refuses them all otherwise."""
    other = of_estimate(make_record(estimate(rate("vfs_open")), "ns", "6.12"))
    samples = [key for text in (*TEXTS.values(), other) for key in values(text)]
    assert len(samples) == len(set(samples))


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_names_and_units_keep_to_the_conventions(text):
    for family in openmetrics(text):
        assert re.fullmatch(r"ebpf_overhead_[a-z]+(_[a-z]+)*", family.name)
        assert family.documentation.endswith(".")
        if family.unit:
            assert family.name.endswith(f"_{family.unit}")
            assert family.unit in ("seconds", "ratio", "instructions")
        # Not a base unit, or a word that belongs to other types of metric.
        assert not re.search(r"_(ns|percent|total|count|sum|bucket|info)$", family.name)
        for sample in family.samples:
            assert sample.labels["kernel"]
            assert sample.timestamp is None  # the textfile collector refuses them


def test_measured_overhead_in_seconds():
    found = values(of_measure(record()))
    release = record()["machine"]["kernel"]["release"]
    labels = {"kernel": release, "target": "getpid", "attach": "tp_btf", "program": "simple"}
    key = tuple(sorted(labels.items()))
    for name, ns in {"cost": 50.0, "cost_low": 48.5, "cost_high": 51.5}.items():
        assert found[f"ebpf_overhead_probe_{name}_seconds", key] == pytest.approx(ns * 1e-9)
    assert found["ebpf_overhead_call_baseline_seconds", key] == pytest.approx(100e-9)
    assert found["ebpf_overhead_probe_hits", key] == 2000


def test_case_that_was_not_measured_has_its_status_and_no_cost():
    found = values(of_measure(record()))
    statuses = {
        dict(labels)["attach"]: (dict(labels)["status"], value)
        for (name, labels), value in found.items()
        if name == "ebpf_overhead_probe_measured"
    }
    assert statuses["fentry"] == ("unsupported", 0.0)
    assert statuses["tp_btf"] == ("measured", 1.0)
    costs = [dict(labels)["attach"] for name, labels in found if name.endswith("_cost_seconds")]
    assert "fentry" not in costs


def test_instructions_are_no_seconds():
    given = record()
    for case in given["cases"]:
        case["unit"] = "instructions"
    names = {name for name, _ in values(of_measure(given))}
    assert "ebpf_overhead_probe_cost_instructions" in names
    assert {name for name in names if name.endswith("_seconds")} == {
        "ebpf_overhead_last_run_timestamp_seconds"
    }


def test_estimate_as_ratios():
    found = values(estimated())
    kernel = (("kernel", "6.12"), ("places", "vfs_read,vfs_write"))
    assert found["ebpf_overhead_estimate_total_core_ratio", kernel] == pytest.approx(0.013)
    assert found["ebpf_overhead_estimate_machine_ratio", kernel] == pytest.approx(0.013 / 4)
    assert found["ebpf_overhead_estimate_bystanders_core_high_ratio", kernel] == 0.011
    assert found["ebpf_overhead_estimate_within_budget", kernel] == 1
    rates = {
        dict(labels)["place"]: value
        for (name, labels), value in found.items()
        if name == "ebpf_overhead_estimate_events_per_second"
    }
    assert rates == {"vfs_read": 10_000, "vfs_write": 5_000}


def test_what_an_estimate_does_not_know_is_left_out():
    answer = estimate(rate(cost=REFUSED))
    names = {name for name, _ in values(of_estimate(make_record(answer, "ns", "6.12")))}
    assert "ebpf_overhead_estimate_total_core_ratio" not in names
    assert "ebpf_overhead_estimate_bystanders_core_ratio" not in names
    assert "ebpf_overhead_estimate_within_budget" not in names
    assert "ebpf_overhead_estimate_events_per_second" in names
    assert COST.overhead is not None


def test_labels_with_anything_in_them():
    metrics = Metrics({})
    metrics.add("odd", 'Text with \\ and "quotes".', 1.0, place='a"b\\c\nd')
    (family,) = openmetrics(metrics.text())
    assert family.samples[0].labels == {"place": 'a"b\\c\nd'}
    assert family.documentation == 'Text with \\ and "quotes".'


def test_file_is_replaced_at_once(tmp_path, monkeypatch):
    path = tmp_path / "probe.prom"
    path.write_text("old\n")
    old = path.open()
    write_atomically(path, "new\n")
    assert path.read_text() == "new\n"
    assert old.read() == "old\n"  # who had it open sees all of the old one
    old.close()
    assert [each.name for each in tmp_path.iterdir()] == ["probe.prom"]
    # A collector that runs as another user can read it.
    assert path.stat().st_mode & 0o444 == 0o444 & ~_umask()


def _umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value


def test_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "probe.prom"
    path.write_text("old\n")

    def fail(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(path), "replace", fail)
    with pytest.raises(OSError, match=r"No space left on device: '.*/probe.prom'"):
        options.export(path, lambda: "new\n")
    assert [each.name for each in tmp_path.iterdir()] == ["probe.prom"]
    assert path.read_text() == "old\n"


def test_directory_that_is_not_there_is_found_before_anything_is_measured(tmp_path):
    with pytest.raises(BadUseError, match="is not a directory; create it first"):
        check_writable(tmp_path / "no" / "probe.prom")


def test_no_file_asked_for():
    options.export(None, lambda: pytest.fail("nobody wants it"))


def test_programs_that_top_saw():
    found = {
        (name, dict(labels).get("id")): value for (name, labels), value in values(watched()).items()
    }
    assert found["ebpf_overhead_top_program_missed", "1"] == 3
    assert found["ebpf_overhead_top_program_runs_per_second", "1"] == 5
    assert found["ebpf_overhead_top_program_reported_seconds", "1"] == pytest.approx(200e-9)
    assert found["ebpf_overhead_top_program_dispatch_seconds", "1"] == pytest.approx(100e-9)
    assert ("ebpf_overhead_top_program_dispatch_seconds", "2") not in found
    # The third one traces 500 system calls per second, which take the slow path.
    total = 5 * 300e-9 + 500 * (90e-9 + 30e-9)
    assert found["ebpf_overhead_top_total_core_ratio", None] == pytest.approx(total)
