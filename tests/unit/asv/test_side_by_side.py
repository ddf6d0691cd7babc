"""Kernels measured side by side, with a stand-in for asv that waits where the test says."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from kernels_fakes import make_record

from ebpf_overhead.asv import side_by_side
from ebpf_overhead.asv.side_by_side import KernelRun, measure
from ebpf_overhead.cli.kernels import command
from ebpf_overhead.errors import BadUseError, ExitStatus, MissingToolError
from ebpf_overhead.kernels import store

# Tells that it began, waits for a file if there is a name for it, tells that it ends.
ASV = """
import os, sys, time
from pathlib import Path

here = Path(__file__).parent
if sys.argv[1] == "machine":
    sys.exit(sys.stderr.write("no asv\\n") and 1 if (here / "absent").exists() else 0)
release = sys.argv[-1].removesuffix("^!")

def tell(what):
    descriptor = os.open(here / "events", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{what} {release}\\n".encode())
    os.close(descriptor)

tell("begin")
print(*sys.argv[1:])
print("to stderr", file=sys.stderr)
deadline = time.monotonic() + 60
wanted = here / f"{release}.waits-for"
while wanted.exists() and wanted.read_text() not in (here / "events").read_text():
    assert time.monotonic() < deadline, "nobody came"
    time.sleep(0.01)
tell("end")
sys.exit({"fails": 2, "breaks": 1}.get(release, 0))
"""


class Runs:
    """A folder with the stand-in, and what it was made to do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "asv.py").write_text(ASV)

    def wait_for(self, release, event):
        (self.folder / f"{release}.waits-for").write_text(event)

    @property
    def events(self):
        return (self.folder / "events").read_text().splitlines()

    def measure(self, releases, jobs, **more):
        return measure(releases, jobs, Path("c.json"), self.folder / "logs", **more)


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setattr(side_by_side, "_ASV", (sys.executable, str(tmp_path / "asv.py")))
    monkeypatch.chdir(tmp_path)
    Path("c.json").touch()
    return Runs(tmp_path)


def test_every_kernel_is_measured_by_an_asv_of_its_own(runs):
    (done,) = runs.measure(["6.1.0-1"], 1, options=["--bench", "quick"])
    assert (done.release, done.exit_status) == ("6.1.0-1", 0)
    # A buffered standard output comes last.
    lines = sorted(done.log.read_text().splitlines())
    assert lines == ["run --config c.json --bench quick 6.1.0-1^!", "to stderr"]


def test_module_of_the_current_directory_is_not_run(tmp_path, monkeypatch):
    """It may be another user's."""
    (tmp_path / "asv.py").write_text("raise SystemExit('was run')")
    (tmp_path / "c.json").write_text('{"version": 1, "project": "x", "repo": "."}')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))  # asv writes down there what this machine is
    assert list(measure([], 1, Path("c.json"), tmp_path / "logs")) == []
    assert (tmp_path / ".asv-machine.json").exists(), "asv itself has run"


def test_configuration_that_others_may_write(runs):
    """It names code that asv runs."""
    (runs.folder / "c.json").chmod(0o666)
    with pytest.raises(BadUseError, match=r"c\.json is not used: everybody can write to"):
        list(runs.measure(["a"], 1))
    assert not (runs.folder / "events").exists()


def test_two_at_a_time_are_two_at_the_same_time(runs):
    runs.wait_for("a", "begin b")
    runs.wait_for("b", "begin a")
    assert {done.release for done in runs.measure(["a", "b"], 2)} == {"a", "b"}


def test_one_at_a_time_is_one_after_the_other(runs):
    begun: list[str] = []
    outcomes = list(runs.measure(["a", "b", "c"], 1, begin=begun.append))
    assert [done.release for done in outcomes] == begun == ["a", "b", "c"]
    assert runs.events == [f"{what} {name}" for name in "abc" for what in ("begin", "end")]


def test_outcomes_come_as_they_end_and_say_how(runs):
    runs.wait_for("fails", "told")
    outcomes = runs.measure(["fails", "breaks"], 2)
    first = next(outcomes)
    with (runs.folder / "events").open("a") as events:
        events.write("told\n")
    (second,) = outcomes
    assert (first.exit_status, second.exit_status) == (1, 2)
    assert str(first).startswith("breaks: not measured, asv's status 1 (")
    assert str(second).startswith("fails: measured, but some benchmarks failed (")


def test_interrupted_ends_those_that_run_and_begins_no_other(runs):
    """What Ctrl-C does to the loop over the outcomes; `close` raises in the same place."""
    runs.wait_for("b", "never")
    begun = threading.Event()
    outcomes = runs.measure(
        ["a", "b", "c"], 1, begin=lambda release: begun.set() if release == "b" else None
    )
    assert next(outcomes).release == "a"
    assert begun.wait(60)
    while "begin b" not in runs.events:
        time.sleep(0.01)
    outcomes.close()
    assert runs.events == ["begin a", "end a", "begin b"]


def test_without_asv_nothing_is_begun(runs):
    (runs.folder / "absent").touch()
    with pytest.raises(MissingToolError, match=r"no asv; pip install 'ebpf-overhead\[bench\]'"):
        next(runs.measure(["a"], 1))
    assert not (runs.folder / "events").exists()


class Kernels:
    """A catalogue of kernels that are not there, and what is asked of asv for each."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.calls: list[tuple[list[str], int, list[str]]] = []
        self.statuses: dict[str, int] = {}
        self.environment = monkeypatch
        monkeypatch.setattr(side_by_side, "measure", self.measure)
        (folder / "asv.kernels.json").write_text(
            '{"version": 1, "project": "p", "repo": ".", "results_dir": "results"}'
        )

    def add(self, release, source="debian"):
        folder = self.folder / "data/kernels" / release
        folder.mkdir(parents=True)
        record = make_record(release).to_json().replace('"debian"', f'"{source}"')
        (folder / store.RECORD).write_text(record)
        (folder / "origin.json").write_text('{"trust": "a test", "places": []}')

    def measure(self, releases, jobs, configuration, logs, options, begin):
        self.calls.append((list(releases), jobs, list(options)))
        for release in releases:
            yield KernelRun(release, self.statuses.get(release, 0), 1.0, logs / release)

    def run(self, *arguments):
        conf = str(self.folder / "asv.kernels.json")
        data = str(self.folder / "data")
        with self.environment.context() as patched:
            patched.setenv("EBPF_OVERHEAD_DATA", data)
            patched.setenv("EBPF_OVERHEAD_HISTORY", f"{data}/history")
            words = ["--data", data, "measure", "--config", conf, *arguments]
            return CliRunner().invoke(command, words)


@pytest.fixture
def kernels(tmp_path, monkeypatch):
    pytest.importorskip("asv", reason="asv is not installed: pip install 'ebpf-overhead[bench]'")
    return Kernels(tmp_path, monkeypatch)


def test_guests_are_asked_what_they_can_answer_and_the_running_kernel_comes_last(kernels):
    for release in ("7.3.4-a", "6.1.0-a"):
        kernels.add(release)
    kernels.add("6.18.0-here", source="running")
    assert kernels.run("--jobs", "3").exit_code == 0
    counted = ["--bench", r"^(getpid|tracepoints)\.Instructions\."]
    assert kernels.calls == [
        (["6.1.0-a", "7.3.4-a"], 3, counted),
        (["6.18.0-here"], 1, []),
    ]


def test_kernels_and_benchmarks_can_be_chosen(kernels):
    for release in ("6.1.0-a", "6.12.0-a", "7.3.4-a"):
        kernels.add(release)
    assert (
        kernels.run("--jobs", "1", "--bench", "x", "--bench", "y", "6.12", "6.1.0-a").exit_code == 0
    )
    assert kernels.calls[0] == (["6.12.0-a", "6.1.0-a"], 1, ["--bench", "x", "--bench", "y"])


def test_one_that_fails_is_the_exit_status_of_all(kernels):
    for release in ("6.1.0-a", "7.3.4-a"):
        kernels.add(release)
    kernels.statuses["6.1.0-a"] = 2
    done = kernels.run()
    assert done.exit_code == ExitStatus.CASE_FAILED
    assert "7.3.4-a: measured (" in done.output


def test_without_kernels_it_says_how_to_add_some(kernels):
    done = kernels.run()
    assert isinstance(done.exception, BadUseError)
    assert "kernels add" in str(done.exception)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--jobs", "2"], "--jobs and --scheduler were given; dask worker --nthreads says it"),
        (["6.18.0-here"], "the running kernel is timed, which no cluster can do; leave it out"),
        ([], "has no TLS"),
    ],
)
def test_what_a_cluster_does_not_do(kernels, words, said):
    kernels.add("6.1.0-a")
    kernels.add("6.18.0-here", source="running")
    done = kernels.run("--scheduler", "tcp://10.0.0.7:8786", *words)
    assert isinstance(done.exception, BadUseError)
    assert said in str(done.exception)


def test_only_what_is_missing_is_asv_s_own_way_to_skip_what_is_stored(kernels):
    kernels.add("6.12.0-a")
    assert kernels.run("--missing", "--bench", "x").exit_code == 0
    assert kernels.calls[0][2] == ["--skip-existing-successful", "--bench", "x"]
