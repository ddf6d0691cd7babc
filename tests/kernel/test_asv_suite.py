"""asv's commands on the suite, on the running kernel."""

from __future__ import annotations

import errno
import itertools
import json
import math
import os
import re

import asv_suite
import pytest
from asv_projects import PYTHON, ROOT, values
from asv_suite import INSTRUCTIONS, MEASURED, OVERHEAD, PROBED, UNPROBED
from processes import run_command

from ebpf_overhead.bpf import perf_event
from ebpf_overhead.hooks.cases import STANDARD_ATTACH_TYPES, STANDARD_PROGRAMS

CASES = [
    (repr(attach), repr(program))
    for attach in STANDARD_ATTACH_TYPES
    for program in STANDARD_PROGRAMS
]


@pytest.fixture(scope="session")
def suite(_gate, tmp_path_factory):
    return asv_suite.measure(tmp_path_factory)


@pytest.fixture(scope="session")
def stored(suite):
    return suite.project.stored(suite.first)


@pytest.fixture(scope="session")
def measurable(support):
    """Of the parameters, as asv stores them, those that this kernel can measure."""
    here = {repr(name) for name, found in support.items() if found.status == "available"}
    return [case for case in CASES if case[0] in here]


def test_unprobed_call_is_stored_in_seconds_per_call(stored):
    (value,) = values(stored, UNPROBED).values()
    assert 20e-9 < value < 50e-6


@pytest.mark.parametrize("name", [PROBED, OVERHEAD])
def test_every_case_has_a_place_and_what_can_be_measured_a_value(stored, measurable, name):
    found = values(stored, name)
    assert list(found) == CASES
    measured = [case for case, value in found.items() if value is not None and value == value]
    assert measured == measurable


@pytest.mark.parametrize("name", [PROBED, OVERHEAD])
def test_what_cannot_be_measured_is_skipped_and_not_failed(stored, measurable, name):
    found = values(stored, name)
    for case in set(CASES) - set(measurable):
        assert found[case] is not None, f"{case} failed"
        assert math.isnan(found[case])


def test_values_are_per_call_and_not_per_window(stored, measurable):
    probed = values(stored, PROBED)
    for case in measurable:
        # A window takes 400e-6, and more where it is the only one and was interrupted.
        assert 20e-9 < probed[case] < 200e-6, case


def test_overhead_has_its_samples_statistics(stored, measurable):
    params = stored.get_result_params(OVERHEAD)
    found = dict(
        zip(itertools.product(*params), stored.get_result_stats(OVERHEAD, params), strict=True)
    )
    overhead = values(stored, OVERHEAD)
    for case in measurable:
        assert found[case]["repeat"] > 1
        assert found[case]["q_25"] <= overhead[case] * (1 + 1e-4)
        assert overhead[case] <= found[case]["q_75"] * (1 + 1e-4)


def test_reasons_are_shown_with_show_stderr(suite, support):
    for name in STANDARD_ATTACH_TYPES:
        here = support[name]
        if here.status != "available":
            reason = f"SkipNotImplemented('{here.status}: {here.reason}"
            # Once for each program, in each of the two benchmarks; others may share the reason.
            assert suite.printed["run"].count(reason) >= 2 * len(STANDARD_PROGRAMS), name


def test_instructions_are_counted_or_skipped_with_the_reason(suite, stored):
    value = values(stored, INSTRUCTIONS)["'tp_btf'", "'empty'"]
    try:
        os.close(perf_event.instructions())
    except OSError as error:
        name = errno.errorcode[error.errno]
        assert math.isnan(value)
        assert f"instruction counter: {name} from perf_event_open" in suite.printed["run"]
    else:
        assert 50 < value < 10_000


def test_result_carries_the_running_kernel(suite, stored):
    release = os.uname().release
    assert stored.env_vars == {"KERNEL": release}
    folder = suite.project.folder / ".asv/results" / suite.project.machine
    name = f"{suite.first[:8]}-running-kernel-py{PYTHON}-KERNEL{release}.json"
    assert (folder / name).is_file()
    assert release in stored.params["os"]


def test_environment_has_the_pinned_runner(suite):
    (environment,) = (suite.project.folder / ".asv/env").iterdir()
    (pinned,) = re.findall(r'"asv_runner==([^"]+)"', (ROOT / "pyproject.toml").read_text())
    version = suite.project.run(
        str(environment / "bin/python"),
        "-c",
        "from importlib.metadata import version; print(version('asv_runner'))",
    )
    assert version.stdout.strip() == pinned


def test_report_shows_what_was_stored(suite, measurable):
    conf = str(suite.project.folder / "asv.conf.json")
    arguments = ("report", "--config", conf, "--format", "markdown", "--commit", suite.first)
    done = run_command(*arguments)
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^\| (?:\w+)(?: \\\*)? \| ([\d.]+) \| \+?-?[\d.]+ \|", done.stdout, re.M)
    assert len(rows) == len(measurable)


def test_run_new_measures_the_new_commit_only(suite):
    assert "(1 commits * 1 environments * 1 benchmarks)" in suite.printed["run NEW"]
    assert f"commit {suite.second[:8]}" in suite.printed["run NEW"]
    assert f"commit {suite.first[:8]}" not in suite.printed["run NEW"]
    assert list(suite.project.stored(suite.second).get_all_result_keys()) == [UNPROBED]


def test_check_finds_no_problem(suite):
    assert "No problems found" in suite.printed["check"]


def test_show_has_the_table_with_units_and_na(suite, support):
    shown = suite.printed["show"]
    assert all(name in shown for name in MEASURED)
    table = shown[shown.index(PROBED) :]
    for name in STANDARD_ATTACH_TYPES:
        here = support[name]
        (row,) = re.findall(rf"^ +{name} +(.*)$", table, re.M)
        cells = row.split()
        assert len(cells) == len(STANDARD_PROGRAMS)
        if here.status == "available":
            assert all(re.fullmatch(r"[\d.]+±[\d.]+(ns|μs)", cell) for cell in cells), row
        else:
            assert set(cells) == {"n/a"}


def compared(table: str) -> dict[str, list[str]]:
    """The cells of asv's table by its last column, the benchmark."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    return {row[-1]: row for row in rows if row and row[-1].startswith("getpid.")}


def test_compare_of_a_commit_with_itself_finds_no_change(suite, measurable):
    rows = compared(suite.printed["compare same"])
    assert rows.keys() >= {UNPROBED, *(f"{PROBED}({', '.join(case)})" for case in CASES)}
    assert {row[0] for row in rows.values()} == {""}
    for attach, program in CASES:
        row = rows[f"{OVERHEAD}({attach}, {program})"]
        assert row[3] == ("1.00" if (attach, program) in measurable else "n/a")


def test_compare_of_two_commits_has_both_values(suite):
    _, before, after, ratio, _ = compared(suite.printed["compare"])[UNPROBED]
    assert re.match(r"[\d.]+±[\d.]+(ns|μs)", before)
    assert re.match(r"[\d.]+±[\d.]+(ns|μs)", after)
    assert re.fullmatch(r"~?[\d.]+", ratio)


def test_continuous_measures_both_commits_and_judges(suite):
    printed = suite.printed["continuous"]
    assert "(2 commits * 1 environments * 1 benchmarks)" in printed
    assert re.search(
        r"^(BENCHMARKS NOT SIGNIFICANTLY CHANGED|PERFORMANCE (DECREASED|INCREASED))\.$",
        printed,
        re.M,
    )


def test_publish_lists_the_benchmarks_with_the_kernel_as_a_selector(suite):
    index = json.loads((suite.site / "commits/index.json").read_text())
    assert set(index["benchmarks"]) == set(MEASURED), "what was not run, or is n/a, is left out"
    assert index["params"]["env-KERNEL"] == [os.uname().release]
    assert set(index["revision_to_hash"].values()) == {suite.first, suite.second}
    for name in MEASURED:
        assert list(suite.site.glob(f"commits/graphs/**/env-KERNEL-*/**/{name}.json")), name
