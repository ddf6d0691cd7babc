"""``compare`` on the committed results, on records, and on results of asv made by hand."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from processes import ROOT
from records import record

from ebpf_overhead.cli import main
from ebpf_overhead.errors import ExitStatus

pytest.importorskip("asv", reason="asv is not installed: pip install 'ebpf-overhead[bench]'")


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    """A folder with asv's configurations and what is committed, where no kernel is."""
    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree(ROOT / "results", folder / "results")
    for name in ("asv.kernels.json", "asv.conf.json"):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture
def run(committed, monkeypatch):
    monkeypatch.setenv("EBPF_OVERHEAD_DATA", str(committed / "no kernels"))
    monkeypatch.chdir(committed)

    def run(*words, status=ExitStatus.MEASURED):
        result = CliRunner().invoke(main, ["compare", *map(str, words)])
        assert result.exit_code == status, result.output
        return result

    return run


def rows(result):
    return {tuple(row["of"]): row for row in json.loads(result.stdout)["rows"]}


def test_kernels_by_their_series_differ_in_exactly_what_is_stored(run):
    """Every overhead of getpid differs on 6.12 and 7.3, by what docs/kernels.md says."""
    found = run("6.12", "7.3", "--json")
    overheads = {of: row for of, row in rows(found).items() if of[0] == "getpid" and len(of) > 1}
    assert len(overheads) == 27
    fentry = overheads["getpid", "fentry", "empty"]
    assert fentry["before"] == {"estimate": 129.0}
    assert fentry["difference"] == {"estimate": -17.0}
    assert fentry["verdict"] == "less"


def test_kernels_of_which_little_differs(run):
    """Only `raw_syscalls` changed from 6.16 to 6.17, by 5 instructions, and the call itself."""
    found = rows(run("6.16", "6.17", "--json"))
    assert set(found) == {
        ("getpid",),
        *(("getpid", "raw_syscalls", program) for program in ("empty", "simple", "complex")),
    }
    assert len(rows(run("6.16", "6.17", "--json", "--all"))) == 28


def test_a_kernel_does_not_differ_from_itself(run):
    shown = run("6.12", "6.12.118+deb13-amd64").stdout
    assert re.search(r"^0 of [1-9]\d+ rows differ$", shown, re.MULTILINE)
    assert "Case" not in shown


def test_tables_fit_80_columns_and_pull_requests(run):
    for words in (["6.12", "7.3"], ["5.10", "7.3", "--all"]):
        assert max(map(len, run(*words).stdout.splitlines())) <= 80
    assert "| getpid, fentry, empty | 129.0 | 112.0 | -17.0 |  | 0.87 - |" in (
        run("6.12", "7.3", "--format", "markdown").stdout
    )


def test_exit_status_says_whether_a_limit_was_exceeded(run):
    failed = run("6.16", "6.17", "--fail-on", "+3instr", status=ExitStatus.CASE_FAILED)
    assert (
        "over the limit: overhead, getpid, raw_syscalls, empty: +5.0 instructions, more than"
        in (failed.stderr)
    )
    run("6.16", "6.17", "--fail-on", "5%,+8instr")
    run("6.16", "6.17", "--fail-on", "x", status=ExitStatus.BAD_USE)


def test_attach_types_of_one_kernel(run):
    found = rows(run("6.12:fentry", "6.12:kprobe", "--json"))
    of_getpid = [row for row in found.values() if row["of"][0] == "getpid"]
    assert {row["difference"]["estimate"] for row in of_getpid} == {231.0}


def test_nothing_of_that_name_is_one_line(run):
    for words, expected in (
        (["6.12", "6.11"], "is called '6.11'"),
        (["6.12", "6.12.119+deb13-amd64"], "did you mean 6.12.118+deb13-amd64"),
        (["6.12:fentri", "7.3"], "has nothing called 'fentri'"),
        (["nowhere.json", "7.3"], "nowhere.json cannot be read"),
        (["6.12", "7.3", "--config", "nowhere"], "nowhere is no file"),
    ):
        (line,) = run(*words, status=ExitStatus.BAD_USE).stderr.splitlines()
        assert expected in line


def test_a_program_is_no_result(run, tmp_path):
    (tmp_path / "old.c").write_text("int program(void *c) { return 0; }")
    (line,) = run(tmp_path / "old.c", "7.3", status=ExitStatus.BAD_USE).stderr.splitlines()
    assert "is a program, and no result; ebpf-overhead measure --program OLD --program NEW" in line


def written(folder: Path, name: str, **overheads: float) -> Path:
    """Write a record in which attach types cost what is given."""
    made = record()
    for case in made["cases"]:
        if case["attach"] in overheads:
            estimate = overheads[case["attach"]]
            bounds = {"estimate": estimate, "low": estimate - 2, "high": estimate + 2}
            case["overhead"] = {**case["overhead"], **bounds}
    path = folder / name
    path.write_text(json.dumps(made))
    return path


def test_records_without_asv_or_any_configuration(run, tmp_path, monkeypatch):
    old = written(tmp_path, "old.json", tp_btf=50)
    new = written(tmp_path, "new.json", tp_btf=60)
    monkeypatch.chdir(tmp_path)
    found = rows(run(old, new, "--json"))
    assert set(found) == {("getpid", "tp_btf", "simple")}
    assert found["getpid", "tp_btf", "simple"]["difference"]["estimate"] == 10
    shown = run(old, new).stdout
    # What was not measured says why, as it is stored.
    assert "not measured in A and B: getpid/fentry/simple: unsupported: EPERM at load" in (
        " ".join(shown.split())
    )
    assert "getpid without a probe: 101.0 and 101.0 ns" in shown
    assert "0 of 3 rows differ" in run(old, old).stdout


def test_a_record_of_time_and_a_kernel_that_counts_are_refused(run, tmp_path):
    timed = written(tmp_path, "timed.json")
    (line,) = run("6.12", timed, status=ExitStatus.BAD_USE).stderr.splitlines()
    assert "counts instructions and timed.json takes time: they cannot be compared" in line


def test_a_guests_record_and_the_committed_results_of_its_kernel(run):
    path = ROOT / "tests/data/records/measure_guest_1.json"
    found = run("6.12", path, "--json", "--all")
    assert {row["verdict"] for row in rows(found).values()} == {"same"}
    assert len(rows(found)) == 3


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A repository with two commits and results of both, of two kernels."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")

    def git(*words):
        names = ["-c", "user.name=n", "-c", "user.email=e"]
        done = subprocess.run(
            ["git", *names, *words], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    conf = {"version": 1, "project": "p", "repo": ".", "results_dir": "results"}
    (tmp_path / "asv.conf.json").write_text(json.dumps(conf))
    (tmp_path / "results/tester").mkdir(parents=True)
    (tmp_path / "results/tester/machine.json").write_text('{"machine": "tester", "version": 1}')
    git("init", "-q", ".")
    columns = ["result", "params", "version", "started_at", "duration"]
    columns += ["stats_ci_99_a", "stats_ci_99_b", "stats_q_25", "stats_q_75"]
    columns += ["stats_number", "stats_repeat"]
    params = [["'tp_btf'"], ["'empty'", "'simple'"]]
    for number, value in enumerate((100.0, 130.0)):
        git("commit", "-q", "--allow-empty", "-m", str(number))
        for kernel, more in (("6.1", 0.0), ("6.9", 500.0)):
            values = [value + more, 300.0 + more]
            low, high = ([each + by for each in values] for by in (-3, 3))
            row = [values, params, "v", 1_000, 1.0, low, high, low, high, [1, 1], [1, 1]]
            environment = f"running-kernel-KERNEL{kernel}"
            stored = {
                "commit_hash": git("rev-parse", "HEAD"),
                "env_name": environment,
                "date": 1,
                "params": {"machine": "tester", "cpu": "EPYC"},
                "python": "3.11",
                "requirements": {},
                "env_vars": {"KERNEL": kernel},
                "result_columns": columns,
                "results": {"getpid.Overhead.track_overhead": row},
                "durations": {},
                "version": 2,
            }
            name = f"{stored['commit_hash'][:8]}-{environment}.json"
            (tmp_path / "results/tester" / name).write_text(json.dumps(stored))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_commits_on_the_same_kernel(project):
    result = CliRunner().invoke(main, ["compare", "HEAD~1", "HEAD", "--json"])
    assert result.exit_code == 0, result.output
    found = rows(result)
    assert set(found) == {("getpid", "tp_btf", "empty")}
    assert found["getpid", "tp_btf", "empty"]["difference"]["estimate"] == 30
    assert json.loads(result.stdout)["rows_compared"] == 2


def test_environments_on_the_same_commit(project):
    words = ["running-kernel-KERNEL6.1", "running-kernel-KERNEL6.9", "--json"]
    result = CliRunner().invoke(main, ["compare", *words])
    assert result.exit_code == 0, result.output
    assert {row["difference"]["estimate"] for row in rows(result).values()} == {500}


def test_a_commit_without_results_says_what_to_run(project):
    subprocess.run(
        ["git", "-c", "user.name=n", "-c", "user.email=e", "commit", "-q", "--allow-empty", "-m2"],
        cwd=project,
        check=True,
    )
    result = CliRunner().invoke(main, ["compare", "HEAD~1", "HEAD"])
    assert result.exit_code == ExitStatus.BAD_USE
    assert "nothing is stored of commit" in result.stderr
    assert result.stderr.endswith("; asv run HEAD^!\n")
