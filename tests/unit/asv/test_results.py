"""Stored results of asv -> the record of the tables, from result files made by hand."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from kernels_fakes import make_record
from processes import run_command
from stored_times import COLUMNS

from ebpf_overhead.asv.results import latest_record
from ebpf_overhead.bpf import _syscalls
from ebpf_overhead.errors import BadUseError, MissingToolError
from ebpf_overhead.studies.grid.tables import notes
from ebpf_overhead.studies.registry import to_markdown

pytest.importorskip("asv", reason="asv is not installed: pip install 'ebpf-overhead[bench]'")

HERE = os.uname().release
ATTACH = ["tracepoint", "tp_btf", "kprobe"]
PROGRAMS = ["empty", "complex"]
PARAMS = [[repr(name) for name in ATTACH], [repr(name) for name in PROGRAMS]]
NAN = math.nan

BASELINE_S = [100e-9]
# In the order of the parameters, the last one fastest: kprobe was skipped by both, and
# tp_btf/complex failed in the one.
PROBED_S = [250e-9, 380e-9, 190e-9, None, NAN, NAN]
OVERHEAD_NS = [148.0, 279.0, 91.0, 225.5, NAN, NAN]
LOW_NS = [147.0, 277.0, 90.0, 223.0, None, None]
HIGH_NS = [149.5, 280.0, 92.0, 226.0, None, None]


def row(values, params, started_at, low=None, high=None):
    number = [None if value is None or value != value else 1 for value in values]
    row = [values, params, "version", started_at, 1.5, low, high, values, values, number, number]
    return row[:4] if values == [None] * len(values) else row


class Store:
    """asv's folder of results, beside its configuration."""

    def __init__(self, folder: Path) -> None:
        self.conf = folder / "asv.conf.json"
        self.conf.write_text(
            '{"version": 1, "project": "p", "repo": ".", "results_dir": "kept/results"}'
        )
        self.results = folder / "kept/results/tester"

    def add(self, commit="a" * 40, kernel=HERE, started_at=1_000, reasons=None, **changes):
        """Store a result; ``changes`` replaces a benchmark's row by its short name."""
        rows = {
            "Unprobed.time_getpid": row(BASELINE_S, [], started_at, [99e-9], [101e-9]),
            "Probed.time_getpid": row(PROBED_S, PARAMS, started_at + 1),
            "Overhead.track_overhead": row(OVERHEAD_NS, PARAMS, started_at + 2, LOW_NS, HIGH_NS),
        }
        for name in rows:
            short = name.partition(".")[0].lower()
            rows[name] = changes.get(short, rows[name])
        environment = f"running-kernel-py3.11-KERNEL{kernel}"
        result = {
            "commit_hash": commit,
            "env_name": environment,
            "date": 5_000,
            "params": {"machine": "tester"},
            "python": "3.11",
            "requirements": {},
            "env_vars": {"KERNEL": kernel},
            "result_columns": COLUMNS,
            "results": {f"getpid.{name}": row for name, row in rows.items() if row is not None},
            "durations": {},
            "version": 2,
            "reasons": reasons or {},
        }
        self.results.mkdir(parents=True, exist_ok=True)
        (self.results / "machine.json").write_text('{"machine": "tester", "version": 1}')
        path = self.results / f"{commit[:8]}-{environment}.json"
        path.write_text(json.dumps(result))
        return path

    def add_together(self):
        """Store a result of one run: the overheads, and the calls that they are of."""
        path = self.add()
        result = json.loads(path.read_text())
        probed = [100.0 + value for value in OVERHEAD_NS]
        for name, values in (("baseline", [100.0] * 6), ("probed", probed)):
            values = [None if value != value else value for value in values]
            measured = [values, PARAMS, "version", 2_000, 1.5]
            result["results"][f"getpid.Overhead.track_{name}"] = measured
        path.write_text(json.dumps(result))

    def add_counted(self, kernel, **changes):
        """Store a guest's result: instructions; ``changes`` replaces values by their name."""
        values = {
            "baseline": [300.0] * 6,
            "instructions": [450.0, 1050.0, 420.0, 930.0, 660.0, 1200.0],
            "overhead": [150.0, 750.0, 120.0, 630.0, 360.0, 900.0],
            **changes,
        }
        path = self.add(kernel=kernel, overhead=row([NAN] * 6, PARAMS, 1_000))
        result = json.loads(path.read_text())
        for name, counts in values.items():
            counted = [counts, PARAMS, "version", 2_000, 1.5]
            result["results"][f"getpid.Instructions.track_{name}"] = counted
        path.write_text(json.dumps(result))

    def record(self, commit=None):
        return latest_record(self.conf, commit)

    def cases(self):
        return {(case["attach"], case["program"]): case for case in self.record()["cases"]}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def test_measured_row_is_in_ns_with_asvs_interval(store):
    store.add_together()
    case = store.cases()["tracepoint", "complex"]
    assert case == {
        "target": "getpid",
        "attach": "tracepoint",
        "program": "complex",
        "unit": "ns",
        "status": "measured",
        "reason": None,
        "remedy": None,
        "baseline": {"median": pytest.approx(100.0)},
        "probed": {"median": pytest.approx(379.0)},
        "overhead": {"estimate": 279.0, "low": 277.0, "high": 280.0, "confidence": 0.99},
        "overhead_percent": {
            "estimate": pytest.approx(279.0),
            "low": pytest.approx(277.0),
            "high": pytest.approx(280.0),
        },
    }


def test_columns_that_were_measured_apart_are_marked(store):
    store.add()
    case = store.cases()["tracepoint", "complex"]
    assert case["apart"]
    assert case["probed"]["median"] == pytest.approx(380.0)
    assert any("they do not add up" in line for line in notes(store.record()))
    store.add_together()
    assert not any("they do not add up" in line for line in notes(store.record()))


def test_percent_is_of_the_unprobed_call(store):
    store.add(unprobed=row([200e-9], [], 1_000))
    percent = store.cases()["tp_btf", "empty"]["overhead_percent"]
    assert percent["estimate"] == pytest.approx(45.5)


def test_record_says_kernel_and_commit_and_keeps_the_order_of_the_parameters(store):
    store.add()
    record = store.record()
    assert record["machine"] == {"kernel": {"release": HERE}}
    assert record["commit"] == "a" * 40
    order = [(case["attach"], case["program"]) for case in record["cases"]]
    assert order == [(attach, program) for attach in ATTACH for program in PROGRAMS]


def test_rows_without_a_value_have_the_reason_that_is_stored(store):
    store.add(
        reasons={
            "getpid.Overhead.track_overhead": {"'kprobe', 'empty'": "refused: CAP_BPF: missing"},
            "getpid.Probed.time_getpid": {
                "'kprobe', 'empty'": "unsupported: not this one",
                "'kprobe', 'complex'": "unsupported: kprobe events absent",
                "'tp_btf', 'complex'": "failed: lost 12 updates",
            },
        }
    )
    cases = store.cases()
    found = {row: (case["status"], case["reason"]) for row, case in cases.items()}
    assert found["kprobe", "empty"] == ("refused", "CAP_BPF: missing")
    assert found["kprobe", "complex"] == ("unsupported", "kprobe events absent")
    assert found["tp_btf", "complex"] == ("failed", "lost 12 updates")
    assert found["tp_btf", "empty"] == ("measured", None)
    assert "overhead" not in cases["kprobe", "empty"]


def test_report_attaches_nothing(store, monkeypatch):
    """A record of root's is the same for everybody: nothing is tried on this kernel."""
    store.add()

    def refuse(*arguments):
        raise AssertionError(f"bpf() was called: {arguments}")

    monkeypatch.setattr(_syscalls, "bpf", refuse)
    assert store.cases()["kprobe", "empty"]["status"] == "failed"


def test_row_without_a_value_of_one_benchmark_failed(store):
    store.add()
    cases = store.cases()
    assert cases["tp_btf", "complex"]["status"] == "failed"
    assert "--show-stderr" in cases["tp_btf", "complex"]["reason"]
    assert cases["tp_btf", "empty"]["status"] == "measured"


@pytest.mark.parametrize(
    "changes",
    [
        {"unprobed": row([None], [], 1_000)},
        {"unprobed": row([NAN], [], 1_000)},
        {"unprobed": None},
        {"probed": row([None] * 6, PARAMS, 1_000)},
        {"probed": None},
    ],
)
def test_nothing_is_measured_without_baseline_or_probed_value(store, changes):
    store.add(**changes)
    assert {case["status"] for case in store.cases().values()} == {"failed"}


def test_bounds_that_asv_left_out_are_infinite(store):
    store.add(
        overhead=row(OVERHEAD_NS, PARAMS, 1_000, [None, *LOW_NS[1:]], [None, *HIGH_NS[1:]]),
    )
    cases = store.cases()
    overhead = cases["tracepoint", "empty"]["overhead"]
    assert (overhead["low"], overhead["estimate"]) == (-math.inf, 148.0)
    assert overhead["high"] == math.inf
    assert cases["tracepoint", "complex"]["overhead"]["low"] == 277.0


def test_other_kernels_do_not_count(store):
    store.add(commit="b" * 40, kernel="5.10.0-32-amd64", started_at=9_000)
    store.add(commit="a" * 40, started_at=1_000)
    assert store.record()["commit"] == "a" * 40


def test_last_measured_commit_counts_whatever_its_name(store):
    store.add(commit="a" * 40, started_at=2_000)
    store.add(commit="b" * 40, started_at=3_000)
    store.add(commit="c" * 40, started_at=1_000)
    assert store.record()["commit"] == "b" * 40


def test_commit_can_be_chosen_by_the_beginning_of_its_hash(store):
    store.add(commit="a" * 40, started_at=2_000)
    store.add(commit="b" * 40, started_at=3_000)
    assert store.record("aaaa")["commit"] == "a" * 40


GUEST = "6.12.9+deb13-amd64"


def counted_cases(store):
    record = latest_record(store.conf, kernel=GUEST)
    assert record["machine"] == {"kernel": {"release": GUEST}}
    return {(case["attach"], case["program"]): case for case in record["cases"]}


def test_kernel_of_a_guest_is_in_instructions(store):
    store.add()
    store.add_counted(GUEST)
    assert counted_cases(store)["tp_btf", "complex"] == {
        "target": "getpid",
        "attach": "tp_btf",
        "program": "complex",
        "unit": "instructions",
        "status": "measured",
        "reason": None,
        "remedy": None,
        "baseline": {"median": 300.0},
        "probed": {"median": 930.0},
        "overhead": {"estimate": 630.0, "confidence": 0.99},
        "overhead_percent": {"estimate": pytest.approx(210.0)},
    }


def test_row_that_no_guest_counted_is_failed(store):
    store.add_counted(GUEST, overhead=[NAN, None, 120.0, 630.0, 360.0, 900.0])
    cases = counted_cases(store)
    assert {cases["tracepoint", name]["status"] for name in PROGRAMS} == {"failed"}
    assert "--show-stderr" in cases["tracepoint", "empty"]["reason"]
    assert cases["kprobe", "complex"]["status"] == "measured"


def no_results(store, commit=None) -> str:
    with pytest.raises(BadUseError) as caught:
        store.record(commit)
    message = str(caught.value)
    assert "\n" not in message
    assert HERE in message
    assert "asv run" in message
    return message


def test_no_results_at_all(store):
    assert "any commit" in no_results(store)


def test_no_results_of_this_kernel(store):
    store.add(kernel="5.10.0-32-amd64")
    assert "any commit" in no_results(store)


def test_no_results_of_the_commit(store):
    store.add(commit="a" * 40)
    assert "bbbb" in no_results(store, "bbbb")


def test_asv_missing_is_said_with_what_to_install(store, monkeypatch):
    store.add()
    monkeypatch.setitem(sys.modules, "asv.results", None)
    with pytest.raises(MissingToolError, match=r"pip install 'ebpf-overhead\[bench\]'"):
        store.record()


def test_results_make_the_references_tables(store):
    kprobe = {f"'kprobe', '{name}'": "unsupported: no kprobe events" for name in PROGRAMS}
    store.add(reasons={"getpid.Overhead.track_overhead": kprobe})
    table = to_markdown(store.record())
    assert "| no probe | 100.0 |" in table
    assert "| tracepoint | 380.0 | +279.0 | +277.0 … +280.0 | +279 % |" in table
    assert "| kprobe | n/a |  | unsupported |  |" in table
    assert "- kprobe: unsupported: no kprobe events" in table


def test_report_without_results_is_one_line_and_bad_use(store):
    done = run_command("report", "--config", str(store.conf))
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert HERE in line


def test_report_shows_the_commit_asked_for(store):
    store.add(commit="a" * 40, started_at=2_000)
    store.add(commit="b" * 40, started_at=3_000, unprobed=row([120e-9], [], 1_000))
    arguments = ("report", "--config", str(store.conf), "--format", "markdown", "--commit")
    assert "| no probe | 100.0 |" in run_command(*arguments, "aaaa").stdout
    assert "| no probe | 120.0 |" in run_command(*arguments, "bbbb").stdout


def test_report_of_a_guests_kernel(store, tmp_path):
    folder = tmp_path / "data/kernels" / GUEST
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(make_record(GUEST).to_json())
    (folder / "origin.json").write_text('{"trust": "a test", "places": []}')
    store.add()
    store.add_counted(GUEST)
    arguments = ("report", "--config", str(store.conf), "--format", "markdown", "--kernel")
    place = {"EBPF_OVERHEAD_DATA": str(tmp_path / "data")}
    shown = run_command(*arguments, "6.12", **place).stdout
    assert "| no probe | 300.0 |" in shown
    assert "| kprobe | 1200.0 | +900.0 |  | +300 % |" in shown
    assert "instr/op" in shown
    assert "| no probe | 100.0 |" in run_command(*arguments, "running", **place).stdout
    refused = run_command(*arguments, "5.4", **place)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert f"is here, but {GUEST}" in refused.stderr


def test_report_names_the_machine_where_there_are_several(store, tmp_path):
    store.add(started_at=2_000)
    store.results = store.results.with_name("other")
    path = store.add(started_at=1_000)
    other = json.loads(path.read_text()) | {"params": {"machine": "other"}}
    path.write_text(json.dumps(other))
    (path.parent / "machine.json").write_text('{"machine": "other", "version": 1}')
    words = ["report", "--config", str(store.conf), "--json"]
    run = run_command(*words)
    assert run.stderr == "results of tester, the newest; there are others of other: --machine\n"
    assert json.loads(run.stdout)["asv_machines"] == ["tester", "other"]
    run = run_command(*words, "--machine", "other")
    assert run.stderr == ""
    assert json.loads(run.stdout)["asv_machines"] == ["other", "tester"]
    run = run_command(*words, "--machine", "othr")
    assert run.returncode == 2
    assert "no machine with such results is called 'othr'; did you mean other?" in run.stderr


def test_report_takes_a_commit_as_git_names_it(store):
    def git(*words):
        names = ["-c", "user.name=n", "-c", "user.email=e"]
        done = subprocess.run(
            ["git", *names, *words],
            cwd=store.conf.parent,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    git("init", "-q", ".")
    git("commit", "-q", "--allow-empty", "-m", "one")
    store.add(commit=git("rev-parse", "HEAD"))
    git("commit", "-q", "--allow-empty", "-m", "two")
    words = ["report", "--config", str(store.conf), "--json", "--commit"]
    assert json.loads(run_command(*words, "HEAD~1").stdout)["commit"] == git("rev-parse", "HEAD~1")
    run = run_command(*words, "HEAD")
    assert (run.returncode, run.stdout) == (2, "")
