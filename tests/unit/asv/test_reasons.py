"""Why a benchmark has no value: in asv's own file of results, where asv reads past it."""

from __future__ import annotations

import json

import pytest
from asv_projects import MACHINE, Project

pytest.importorskip("asv", reason="asv is not installed: pip install 'ebpf-overhead[bench]'")

CONFIGURATION = {
    "version": 1,
    "project": "tiny",
    "repo": ".",
    "branches": ["main"],
    "environment_type": "existing",
    "plugins": [".ebpf_overhead.asv.plugin"],
    "results_dir": ".asv/results",
    "env_dir": ".asv/env",
}

BENCHMARKS = """
import os
import time

from asv_runner.benchmarks.mark import SkipNotImplemented


class Rows:
    version = "1"
    params = (["skipped", "refused", "raised", "silent", "measured"], [1])

    def setup(self, outcome, number):
        if outcome == "skipped":
            raise SkipNotImplemented("the clock here's\\ncounts no instructions")
        if outcome == "refused":
            raise SkipNotImplemented("refused: CAP_BPF missing")

    def teardown(self, outcome, number):
        print("teardown of", outcome)

    def track_one(self, outcome, number):
        if outcome == "raised":
            raise RuntimeError("lost 12 updates")
        if outcome == "silent":
            os._exit(3)
        return 1.0


class Slow:
    params = ["slow"]
    timeout = 0.5

    def track_one(self, outcome):
        time.sleep(60)


class Cached:
    def setup_cache(self):
        raise ValueError("no cache")

    def track_one(self, cache):
        return 1.0


def track_fine():
    return 2.0
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("reasons") / "tiny")
    (project.folder / "benchmarks").mkdir()
    (project.folder / "benchmarks/__init__.py").write_text("")
    (project.folder / "benchmarks/tiny.py").write_text(BENCHMARKS)
    (project.folder / "asv.conf.json").write_text(json.dumps(CONFIGURATION))
    (project.folder / ".gitignore").write_text("/.asv/\n")
    project.revision = project.commit("one")
    project.asv("run", "--machine", MACHINE, "--set-commit-hash", project.revision, check=False)
    return project


def reasons(project):
    (path,) = (project.folder / ".asv/results" / MACHINE).glob(f"{project.revision:.8}-*.json")
    return json.loads(path.read_text())["reasons"]


def test_each_row_without_a_value_has_its_outcome_and_reason(project):
    assert reasons(project) == {
        "tiny.Rows.track_one": {
            "'skipped', 1": "unsupported: the clock here's counts no instructions",
            "'refused', 1": "refused: CAP_BPF missing",
            "'raised', 1": "failed: lost 12 updates",
            "'silent', 1": "failed: the benchmark said nothing",
        },
        "tiny.Slow.track_one": {"'slow'": "failed: asv: benchmark timed out (timeout 0.5s)"},
        "tiny.Cached.track_one": {"": "failed: no cache"},
    }


def test_asv_reads_and_keeps_the_values(project):
    shown = project.asv("show", project.revision)
    assert "no results of" not in shown
    assert "tiny.track_fine" in shown
    assert "WARNING" not in shown.upper()


def test_a_later_run_of_another_benchmark_keeps_them(project):
    before = reasons(project)
    words = ("--machine", MACHINE, "--set-commit-hash", project.revision, "--bench")
    project.asv("run", *words, "track_fine")
    assert reasons(project) == before


def test_a_run_of_some_parameters_keeps_those_of_the_others(project):
    before = reasons(project)
    words = ("--machine", MACHINE, "--set-commit-hash", project.revision, "--bench")
    project.asv("run", *words, r"Rows.track_one\('(refused|measured)', 1\)", check=False)
    assert reasons(project) == before


def test_what_is_measured_at_last_has_no_reason_any_more(project):
    benchmarks = project.folder / "benchmarks/tiny.py"
    benchmarks.write_text(BENCHMARKS.replace('raise RuntimeError("lost 12 updates")', "pass"))
    words = ("--machine", MACHINE, "--set-commit-hash", project.revision, "--bench")
    project.asv("run", *words, "Rows", check=False)
    assert sorted(reasons(project)["tiny.Rows.track_one"]) == [
        "'refused', 1",
        "'silent', 1",
        "'skipped', 1",
    ]
