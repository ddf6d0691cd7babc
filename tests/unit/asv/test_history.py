"""Stored results of kernels -> table, steps and figure, from result files made by hand."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from kernels_fakes import make_record
from processes import ROOT

from ebpf_overhead.asv import history as stored
from ebpf_overhead.asv import history_figure as figure
from ebpf_overhead.asv.choosing import Results
from ebpf_overhead.asv.results import latest_record
from ebpf_overhead.asv.workspace import Workspace
from ebpf_overhead.cli import main
from ebpf_overhead.errors import BadUseError, ExitStatus
from ebpf_overhead.hooks.cases import STANDARD_ATTACH_TYPES, STANDARD_PROGRAMS
from ebpf_overhead.kernels import committed
from ebpf_overhead.site import places

pytest.importorskip("asv", reason="asv is not installed: pip install 'ebpf-overhead[bench]'")

OLD = make_record("5.10.0-46-amd64", "5.10.262-1", "2026-07-31")
MIDDLE = make_record("6.12.118+deb13-amd64", "6.12.118-1", "2026-11-20")
NEW = make_record("7.3.4+deb13-amd64", "7.3.4-1~bpo13+1", "2026-01-01")
CASES = [(attach, program) for attach in STANDARD_ATTACH_TYPES for program in STANDARD_PROGRAMS]
PARAMS = [
    [repr(name) for name in STANDARD_ATTACH_TYPES],
    [repr(name) for name in STANDARD_PROGRAMS],
]


class Store:
    """asv's folder of results of kernels, and committed kernels."""

    def __init__(self, folder: Path) -> None:
        self.conf = folder / "asv.kernels.json"
        self.conf.write_text(
            '{"version": 1, "project": "p", "repo": ".asv/kernels/history",'
            ' "results_dir": ".asv/kernels/results"}'
        )
        workspace = Workspace(folder)
        for record in (NEW, OLD, MIDDLE):
            committed.write(workspace.committed_kernels, (record, None))
        workspace.prepare()
        self.history = workspace.history
        self.results = workspace.results / "tester"
        self.results.mkdir(parents=True)
        (self.results / "machine.json").write_text('{"machine": "tester", "version": 1}')

    def add(
        self,
        release,
        scale,
        started_at=1_000,
        clock="icount",
        missing=(),
        further=(),
        reasons=None,
        **variables,
    ):
        """Store a kernel's result: case number n adds ``100 * n * scale``."""
        commit = self.history.hashes()[release]
        added = [None if case in missing else 100.0 * n * scale for n, case in enumerate(CASES, 1)]
        rows = {
            "track_overhead": added,
            "track_baseline": [250.0 * scale] * len(CASES),
            "track_instructions": [each and each + 250.0 * scale for each in added],
        }
        result = {
            "commit_hash": commit,
            "env_name": f"kernel-CLOCK{clock}",
            "date": 5_000,
            "params": {"machine": "tester"},
            "python": "3.11",
            "requirements": {},
            "env_vars": {"CLOCK": clock, **variables},
            "result_columns": ["result", "params", "version", "started_at", "duration"],
            "results": {
                f"getpid.Instructions.{name}": [values, PARAMS, "v", started_at, 1.0]
                for name, values in rows.items()
            },
            "durations": {},
            "version": 2,
            "reasons": {"getpid.Instructions.track_overhead": reasons or {}},
        }
        if further:
            values = [70.0 * scale] * (len(further) * len(STANDARD_PROGRAMS))
            forms = [[repr(name) for name in further], PARAMS[1]]
            name = "tracepoints.Instructions.track_overhead"
            result["results"][name] = [values, forms, "v", started_at, 1.0]
        (self.results / f"{commit[:8]}-{clock}-{started_at}.json").write_text(json.dumps(result))

    def costs(self):
        return stored.costs(self.conf, stored.known_kernels(self.history))


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("EBPF_OVERHEAD_DATA", str(tmp_path / "no kernels"))
    return Store(tmp_path)


def test_kernels_come_in_version_order_with_what_was_measured(store):
    store.add(NEW.release, 2)
    store.add(OLD.release, 1, missing=[("fentry", "simple")])
    old, new = store.costs()
    assert [old.kernel.release, new.kernel.release] == [OLD.release, NEW.release]
    assert [old.label, new.label] == ["5.10.262", "7.3.4"]
    assert (old.unprobed, new.unprobed) == (250, 500)
    assert new.overhead["tracepoint", "empty"] == 200
    assert new.overhead["kprobe", "complex"] == 3000
    assert old.overhead["fentry", "simple"] is None


def test_newest_result_of_the_instruction_clock_counts(store):
    store.add(OLD.release, 3, started_at=3_000)
    store.add(OLD.release, 1, started_at=1_000)
    store.add(OLD.release, 7, started_at=9_000, clock="wall")
    assert [each.unprobed for each in store.costs()] == [750]


@pytest.mark.parametrize("variant", [{"BOOT_ARGS": "audit=1"}, {"CPU": "Nehalem"}])
def test_a_variant_is_no_part_of_a_kernels_series(store, variant):
    usual = {"ACCEL": "tcg", "CPU": "max"}
    store.add(OLD.release, 3, started_at=1_000, **usual)
    store.add(OLD.release, 9, started_at=2_000, **{**usual, **variant})
    assert [each.unprobed for each in store.costs()] == [750]
    (place,) = places.of_kernels(store.conf, stored.known_kernels(store.history))
    baseline = place.numbers("getpid.Instructions.track_baseline")
    assert {each.estimate for each in baseline.values()} == {750}
    case = latest_record(store.conf, kernel=OLD.release)["cases"][0]
    assert case["baseline"] == {"median": 750}
    found = Results(store.conf, store.conf.parent / "asv.conf.json").meant(OLD.release)
    assert [each.measured_at for each in found.results] == [1_000]


def test_a_kernel_is_not_known_where_no_configuration_is(tmp_path):
    nowhere = Results(tmp_path / "asv.kernels.json", tmp_path / "asv.conf.json")
    with pytest.raises(BadUseError, match=r"'6\.12'; no kernel is known without .*asv\.kernels"):
        nowhere.meant("6.12")


def test_no_results_is_bad_use_with_the_command_to_run(store):
    with pytest.raises(BadUseError, match="no results of kernels"):
        store.costs()


def test_steps_are_where_any_program_changes_by_more(store):
    store.add(OLD.release, 1)
    store.add(MIDDLE.release, 1.1, missing=[("tp_btf", "empty")])
    store.add(NEW.release, 0.55)
    kernels = store.costs()
    assert list(stored.steps(kernels, 0.6)) == []
    found = list(stored.steps(kernels, 0.11))
    assert [step.attach for step in found] == list(STANDARD_ATTACH_TYPES)
    assert {(step.before.label, step.after.label) for step in found} == {("6.12.118", "7.3.4")}
    tp_btf = next(step for step in found if step.attach == "tp_btf")
    assert tp_btf.changes == (None, pytest.approx(-0.5), pytest.approx(-0.5))
    table = figure.steps_markdown(found).splitlines()
    assert "| 6.12.118 → 7.3.4 | tp_btf | n/a | -50.0 % | -50.0 % |" in table


def test_table_has_a_row_a_kernel(store):
    store.add(OLD.release, 1, missing=[("tracepoint", "simple")])
    lines = figure.markdown(store.costs()).splitlines()
    assert lines[0] == f"| kernel | getpid | {' | '.join(STANDARD_ATTACH_TYPES)} |"
    assert lines[2].startswith("| 5.10.0-46-amd64 | 250 | 100 / n/a / 300 | 400 / 500 / 600 |")
    assert len({line.count("|") for line in lines}) == 1


def test_what_was_not_measured_is_listed_with_the_reason_stored(store):
    reason = "unsupported: EPERM at load"
    reasons = {f"'fentry', '{program}'": reason for program in ("empty", "simple")}
    missing = [("fentry", "empty"), ("fentry", "simple")]
    store.add(OLD.release, 1, missing=missing, reasons=reasons)
    store.add(NEW.release, 1, missing=CASES)
    text = f"- {OLD.release}, fentry: {reason} (empty, simple)\n"
    assert figure.reasons_markdown(store.costs()) == text
    run = CliRunner().invoke(main, ["history", "--config", str(store.conf)])
    assert f"Not measured:\n\n{text}" in run.output
    run = CliRunner().invoke(main, ["history", "--config", str(store.conf), "--format", "json"])
    rows = json.loads(run.output)["kernels"][0]["overhead"]
    assert {row["reason"] for row in rows if row["estimate"] is None} == {reason}


def test_further_forms_of_tracepoint_have_a_table_of_their_own(store):
    store.add(OLD.release, 1)
    store.add(MIDDLE.release, 1, further=["tp_btf_exit", "raw_syscalls"])
    store.add(NEW.release, 2, further=["raw_syscalls"])
    kernels = store.costs()
    first, second = figure.markdown(kernels).split("\n\n")
    assert first.count("\n") == 4
    assert second.splitlines() == [
        "| kernel | getpid | raw_syscalls | tp_btf_exit |",
        "| --- | --: | --: | --: |",
        "| 5.10.0-46-amd64 | 250 | n/a / n/a / n/a | n/a / n/a / n/a |",
        "| 6.12.118+deb13-amd64 | 250 | 70 / 70 / 70 | 70 / 70 / 70 |",
        "| 7.3.4+deb13-amd64 | 500 | 140 / 140 / 140 | n/a / n/a / n/a |",
    ]
    assert "raw_syscalls" in [step.attach for step in stored.steps(kernels, 0.1)]


def test_figure_has_a_curve_for_each_attach_type_in_each_panel(store):
    pytest.importorskip("matplotlib")
    store.add(OLD.release, 1)
    store.add(NEW.release, 2)
    axes = figure.draw(store.costs()).axes
    assert [axis.get_title() for axis in axes] == list(STANDARD_PROGRAMS)
    assert [line.get_label() for line in axes[0].lines] == list(STANDARD_ATTACH_TYPES)
    assert list(axes[2].lines[4].get_ydata()) == [1500, 3000]
    assert [tick.get_text() for tick in axes[0].get_xticklabels()] == ["5.10.262", "7.3.4"]
    assert len({axis.get_ylim() for axis in axes}) == 1
    assert axes[0].get_ylim()[1] > 3000


def test_the_command_prints_draws_and_names(store, tmp_path):
    pytest.importorskip("matplotlib")
    store.add(OLD.release, 1)
    store.add(NEW.release, 2)
    drawn = tmp_path / "kernels.svg"
    arguments = ["history", "--config", str(store.conf), "--plot", str(drawn)]
    run = CliRunner().invoke(main, arguments)
    assert run.exit_code == 0, run.output
    kernels = store.costs()
    assert run.output.startswith(figure.markdown(kernels))
    assert "| 5.10.262 → 7.3.4 | kprobe | +100.0 % | +100.0 % | +100.0 % |" in run.output
    assert "tp_btf" in drawn.read_text()
    run = CliRunner().invoke(main, ["history", "--config", str(store.conf), "--format", "json"])
    record = json.loads(run.output)
    old, new = record["kernels"]
    assert (old["release"], old["baseline"], record["unit"]) == (OLD.release, 250, "instructions")
    assert new["overhead"][0] == {
        "attach": "tracepoint",
        "program": "empty",
        "estimate": 200,
        "reason": None,
    }
    assert len(record["steps"]) == len(STANDARD_ATTACH_TYPES)
    assert record["steps"][0] == {
        "before": OLD.release,
        "after": NEW.release,
        "attach": "tracepoint",
        "changes": dict.fromkeys(STANDARD_PROGRAMS, 1.0),
    }


def test_the_command_without_results_is_bad_use(store):
    run = CliRunner().invoke(main, ["history", "--config", str(store.conf)])
    assert run.exit_code == ExitStatus.BAD_USE
    assert "make kernels" in run.output


@pytest.fixture
def everything_committed(tmp_path, monkeypatch):
    """asv's configuration in a folder that has what is committed, where no kernel is."""
    shutil.copytree(ROOT / "results", tmp_path / "results")
    monkeypatch.setenv("EBPF_OVERHEAD_DATA", str(tmp_path / "no kernels"))
    return Path(shutil.copy(ROOT / "asv.kernels.json", tmp_path))


def test_the_pages_hold_the_tables_of_the_stored_results(everything_committed):
    """What docs/kernels.md prints is what results/kernels holds, whoever changes either."""
    workspace = Workspace(everything_committed.parent)
    workspace.prepare()
    known = stored.of_architecture(stored.known_kernels(workspace.history), "x86_64")
    kernels = stored.costs(everything_committed, known)
    standard, further = figure.markdown(kernels).split("\n\n")
    page = (ROOT / "docs/kernels.md").read_text()
    for table in (standard, further, figure.steps_markdown(stored.steps(kernels, 0.1))):
        assert table in page
    assert len(kernels) >= 11
    assert {value is None for each in kernels for value in each.overhead.values()} == {False}


def test_the_pages_hold_the_tables_of_one_kernel_all_rows_measured(everything_committed):
    words = ["report", "--config", str(everything_committed), "--kernel", "6.12"]
    run = CliRunner().invoke(main, [*words, "--format", "markdown"])
    assert run.exit_code == 0, run.output
    text = f"<!-- instructions:begin -->\n{run.output}<!-- instructions:end -->\n"
    assert text in (ROOT / "docs/getpid.md").read_text()
    assert len(re.findall(r"\| \+[\d.]+ \|  \| \+\d+ % \|", text)) == 15
    run = CliRunner().invoke(main, [*words, "--reference", "--format", "markdown"])
    text = f"<!-- reference:begin -->\n{run.output}<!-- reference:end -->\n"
    for page in ("README.md", "docs/README.md"):
        assert text in (ROOT / page).read_text()


@pytest.mark.parametrize("step", ["nan", "inf", "1e999", "0", "-1"])
def test_step_is_a_number(everything_committed, step):
    """Nothing is larger than nan, so no kernel would seem to differ."""
    words = ["history", "--config", str(everything_committed), "--step", step]
    assert CliRunner().invoke(main, words).exit_code == ExitStatus.BAD_USE


@pytest.mark.parametrize("commit", ["HEAD", "nosuch"])
def test_report_of_kernels_has_no_commit(everything_committed, commit):
    """It would be ignored, and results of another one shown."""
    words = ["report", "--config", str(everything_committed), "--kernel", "6.12", "--commit"]
    run = CliRunner().invoke(main, [*words, commit])
    assert run.exit_code == ExitStatus.BAD_USE
    assert "are kernels, and no commits; leave --commit out" in run.output


def test_report_of_a_kernel_that_is_not_in_the_history_names_the_closest(everything_committed):
    words = ["report", "--config", str(everything_committed), "--kernel"]
    run = CliRunner().invoke(main, [*words, "6.12.119+deb13-amd64"])
    assert run.exit_code == ExitStatus.BAD_USE
    expected = "no kernel of the history is called '6.12.119+deb13-amd64'; did you mean 6.12.118"
    assert expected in run.output


def test_kernels_of_two_architectures_are_two_histories():
    known = [
        stored.NamedKernel("c", f"6.12-{number}", "6.12", architecture)
        for number, architecture in enumerate(("x86_64", "arm64", "x86_64"))
    ]
    releases = [each.release for each in stored.of_architecture(known, "x86_64")]
    assert releases == ["6.12-0", "6.12-2"]
    with pytest.raises(BadUseError, match="no kernel of arm64, but x86_64"):
        stored.of_architecture([known[0]], "arm64")


def test_usual_cpu_of_another_architecture_is_no_variant(store):
    usual = {"ACCEL": "tcg", "CPU": "arm64-max"}
    store.add(OLD.release, 3, started_at=1_000, **usual)
    store.add(OLD.release, 9, started_at=2_000, **{**usual, "CPU": "neoverse-n1"})
    assert [each.unprobed for each in store.costs()] == [750]


def test_arm64_was_measured_on_the_same_kernels(everything_committed):
    workspace = Workspace(everything_committed.parent)
    workspace.prepare()
    both = stored.costs(everything_committed, stored.known_kernels(workspace.history))
    arm64 = [each for each in both if each.kernel.architecture == "arm64"]
    assert [each.label for each in arm64] == ["6.12.118", "7.3.4"]
    for each in arm64:
        assert None not in each.overhead.values()
        assert each.overhead["fentry", "empty"] < each.overhead["kprobe", "empty"]
    # The page has those of x86_64 beside them.
    beside = [each for each in both if each.label in {known.label for known in arm64}]
    assert {each.kernel.architecture for each in beside} == {"x86_64", "arm64"}
    page = (ROOT / "docs/arm64.md").read_text()
    for table in (
        *figure.markdown(beside).split("\n\n"),
        figure.steps_markdown(stored.steps(arm64, 0.1)),
    ):
        assert table in page
