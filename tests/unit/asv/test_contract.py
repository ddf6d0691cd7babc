"""What the suite relies on in asv and in asv_runner, most of it undocumented.

Both are pinned; a test here that fails says what another version does otherwise.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
from unittest import mock

import pytest
from asv_projects import MACHINE, PYTHON, ROOT, Project, samples, statistics, values

pytest.importorskip("asv", reason="asv is not installed: pip install 'ebpf-overhead[bench]'")

CONFIGURATION = {
    "version": 1,
    "project": "tiny",
    "repo": ".",
    "branches": ["main"],
    "environment_type": "existing",
    "results_dir": ".asv/results",
    "html_dir": ".asv/html",
    "env_dir": ".asv/env",
}

BENCHMARKS = '''
import os
import time

from asv_runner.benchmarks.mark import SkipNotImplemented


class Clock:
    seconds = 0.0

    def __call__(self):
        return self.seconds


CLOCK = Clock()


class Window:
    """Every sample is a window; the clock advances by 100 ns for each set-up so far."""

    timer = CLOCK
    number = 1
    rounds = 1
    repeat = (5, 5, 10.0)
    warmup_time = 0
    setups = 0

    def setup(self):
        Window.setups += 1

    def time_call(self):
        time.sleep(0.002)
        CLOCK.seconds += Window.setups * 100e-9


class Tracked:
    params = (["single", "narrow", "wide"], ["x"])
    param_names = ("spread", "other")
    unit = "furlongs"

    def track_samples(self, spread, other):
        shift = int(os.environ.get("SHIFT", "0"))
        if spread == "single":
            return {"samples": [1.0], "number": 7}
        step = 1 if spread == "narrow" else 30
        return {"samples": [1000.0 + shift + step * (n - 10) for n in range(21)], "number": 7}

    track_samples.less_is_better = True


class Skipped:
    params = ["skipped", "raised", "measured"]

    def setup(self, outcome):
        if outcome == "skipped":
            raise SkipNotImplemented("unsupported: EPERM at load")

    def teardown(self, outcome):
        print("teardown of", outcome)

    def track_one(self, outcome):
        if outcome == "raised":
            raise RuntimeError("this is broken")
        return 1.0
'''


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A project of a few benchmarks, and two commits with their results.

    The later commit's samples are shifted by a fifth.
    """
    project = Project(tmp_path_factory.mktemp("contract") / "tiny")
    (project.folder / "benchmarks").mkdir()
    (project.folder / "benchmarks/__init__.py").write_text("")
    (project.folder / "benchmarks/tiny.py").write_text(BENCHMARKS)
    (project.folder / "asv.conf.json").write_text(json.dumps(CONFIGURATION))
    (project.folder / ".gitignore").write_text("/.asv/\n")
    project.commits = [project.commit("one"), project.commit("two")]
    run = ("run", "--machine", MACHINE, "--record-samples", "--show-stderr", "--set-commit-hash")
    # A broken benchmark makes asv's exit status 2, and the rest is stored.
    project.printed = project.asv(*run, project.commits[0], check=False)
    project.asv(*run, project.commits[1], "--bench", "Tracked", SHIFT="200")
    return project


@pytest.fixture(scope="module")
def stored(tiny):
    return tiny.stored(tiny.commits[0])


# --- time_*: one call is a window, reported per call of the target


def test_setup_runs_again_for_every_sample(stored):
    (found,) = samples(stored, "tiny.Window.time_call").values()
    assert found == pytest.approx([100e-9, 200e-9, 300e-9, 400e-9, 500e-9])


def test_value_is_what_the_timer_advanced_and_not_wall_time(stored):
    assert values(stored, "tiny.Window.time_call") == {(): pytest.approx(300e-9)}


def test_number_stays_one(stored):
    (found,) = statistics(stored, "tiny.Window.time_call").values()
    assert (found["number"], found["repeat"]) == (1, 5)


def test_quick_run_is_stored_with_one_sample(tiny):
    """--quick's help says otherwise."""
    commit = tiny.commit("quick")
    quick = ("--quick", "--set-commit-hash", commit, "--bench", "Window")
    tiny.asv("run", "--machine", MACHINE, *quick)
    (found,) = statistics(tiny.stored(commit), "tiny.Window.time_call").values()
    assert found["repeat"] == 1


# --- track_*: samples get statistics

NARROW = ("'narrow'", "'x'")


def test_tracked_samples_get_median_quartiles_and_interval(stored):
    assert values(stored, "tiny.Tracked.track_samples")[NARROW] == 1000
    found = statistics(stored, "tiny.Tracked.track_samples")[NARROW]
    assert (found["q_25"], found["q_75"]) == (995, 1005)
    assert (found["number"], found["repeat"]) == (7, 21)
    assert 990 < found["ci_99_a"] < 1000 < found["ci_99_b"] < 1010


def test_interval_of_a_single_sample_has_no_bounds(stored):
    found = statistics(stored, "tiny.Tracked.track_samples")["'single'", "'x'"]
    assert found["repeat"] == 1
    assert found.get("ci_99_a", -math.inf) == -math.inf
    assert found.get("ci_99_b", math.inf) == math.inf


def test_tracked_unit_and_direction_reach_the_list_of_benchmarks(tiny):
    listed = json.loads((tiny.folder / ".asv/results/benchmarks.json").read_text())
    assert listed["tiny.Tracked.track_samples"]["unit"] == "furlongs"
    # The published interface takes a track_* for better when higher, unless told so.
    assert listed["tiny.Tracked.track_samples"]["less_is_better"] is True


def test_compare_tests_tracked_samples(tiny):
    """Both are a fifth up; the wide one might be chance, and asv says so."""
    table = tiny.asv("compare", "--machine", MACHINE, *tiny.commits)
    (narrow,) = (line for line in table.splitlines() if "('narrow'" in line)
    (wide,) = (line for line in table.splitlines() if "('wide'" in line)
    assert re.match(r"\| \+ .* 1000(\.0)?±5 .* 1200(\.0)?±5 .* 1\.20 ", narrow)
    assert re.match(r"\| {2,}.* ~1\.20 ", wide)


# --- parameters and skips


def test_parameters_are_stored_as_their_repr_last_one_fastest(stored):
    assert stored.get_result_params("tiny.Tracked.track_samples") == [
        ["'single'", "'narrow'", "'wide'"],
        ["'x'"],
    ]
    assert list(values(stored, "tiny.Tracked.track_samples")) == [
        ("'single'", "'x'"),
        NARROW,
        ("'wide'", "'x'"),
    ]


def test_skip_in_setup_is_nan_with_its_reason_and_a_failure_is_null(tiny, stored):
    found = values(stored, "tiny.Skipped.track_one")
    assert math.isnan(found["'skipped'",])
    assert found["'raised'",] is None
    assert found["'measured'",] == 1.0
    assert "asv: skipped: SkipNotImplemented('unsupported: EPERM at load')" in tiny.printed
    assert "RuntimeError: this is broken" in tiny.printed


def test_show_says_na_for_skipped_and_failed_for_failed(tiny):
    shown = tiny.asv("show", tiny.commits[0], "--bench", "Skipped")
    rows = [line.split() for line in shown.splitlines()]
    assert ["skipped", "n/a"] in rows
    assert ["raised", "failed"] in rows


def test_teardown_runs_after_a_skip_and_after_a_failure(tiny):
    for outcome in ("skipped", "raised", "measured"):
        assert f"teardown of {outcome}" in tiny.printed


# --- the suite: the same benchmarks on every machine

DISCOVER = """
import collections, json, os, platform, sys

release, machine = sys.argv[1:]
sys.modules["bcc"] = None
uname = collections.namedtuple("uname", "sysname nodename release version machine")
os.uname = lambda: uname("Linux", "here", release, "#1", machine)
platform.machine = lambda: machine

from ebpf_overhead.bpf import _syscalls

def refuse(*arguments):
    raise OSError(1, "BPF was asked for")

_syscalls.bpf = _syscalls.perf_event_open = _syscalls.detached_mount = refuse

from asv_runner.discovery import disc_benchmarks

print(json.dumps({b.name: [b.param_names, b.params] for b in disc_benchmarks("benchmarks")}))
"""


def discover(release: str, machine: str) -> dict[str, list[list[str]]]:
    done = subprocess.run(
        [sys.executable, "-c", DISCOVER, release, machine],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_names_and_parameters_are_the_same_on_every_machine():
    from ebpf_overhead.hooks.cases import STANDARD_ATTACH_TYPES, STANDARD_PROGRAMS

    here = discover("6.12.107+deb13-amd64", "x86_64")
    assert discover("5.10.0-32-arm64", "aarch64") == here
    from benchmarks.common import GRID

    grid = [["attach", "program"], [[repr(each) for each in axis] for axis in GRID]]
    standard = [list(STANDARD_ATTACH_TYPES), list(STANDARD_PROGRAMS)]
    assert [list(map(str, axis)) for axis in GRID] == standard
    assert here["getpid.Unprobed.time_getpid"] == [[], []]
    assert here["getpid.Probed.time_getpid"] == grid
    assert here["getpid.Overhead.track_overhead"] == grid


# --- plugins and environment types

PLUGIN = """
from asv.environment import ExistingEnvironment


class Tiny(ExistingEnvironment):
    tool_name = "tiny-kernel"

    def __init__(self, conf, python, requirements, tagged_env_vars):
        super().__init__(conf, "same", requirements, tagged_env_vars)
"""


@pytest.fixture
def plugged(tiny):
    """Run ``asv check`` with a plugin beside the configuration, named in a certain way."""
    (tiny.folder / "tinyplugin").mkdir()
    (tiny.folder / "tinyplugin/__init__.py").write_text(PLUGIN)

    def check(name: str) -> str:
        configuration = {**CONFIGURATION, "environment_type": "tiny-kernel", "plugins": [name]}
        (tiny.folder / "plugged.json").write_text(json.dumps(configuration))
        return tiny.asv("check", "--config", "plugged.json", check=False)

    yield check
    tiny.run("git", "clean", "--quiet", "--force", "-d")


def test_plugin_beside_the_configuration_needs_its_dot(plugged):
    assert "No problems found" in plugged(".tinyplugin")


def test_plugin_without_its_dot_is_ignored_without_a_word(plugged):
    printed = plugged("tinyplugin")
    assert "Unknown environment type 'tiny-kernel'" in printed
    assert "tinyplugin" not in printed
    assert "No problems found" not in printed


@pytest.fixture
def configuration(monkeypatch, tmp_path):
    """The project's own configuration, with environments in a temporary folder."""
    from asv.config import Config

    monkeypatch.chdir(ROOT)
    conf = Config.load("asv.conf.json")
    conf.env_dir = str(tmp_path)
    return conf


@pytest.fixture
def on_kernel(configuration):
    """Make the project's environment as if a certain kernel were running."""
    from asv.environment import get_environment_class_by_name
    from asv.plugin_manager import plugin_manager

    with mock.patch.dict(os.environ):  # the plugin tells git, in this process, to run no hooks
        for plugin in configuration.plugins:
            plugin_manager.import_plugin(plugin)
    environment_type = get_environment_class_by_name(configuration.environment_type)
    sysname, nodename, _, version, machine = os.uname()

    def on_kernel(release: str):
        pretended = os.uname_result((sysname, nodename, release, version, machine))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "uname", lambda: pretended)
            return environment_type(configuration, PYTHON, {}, {})

    return on_kernel


@pytest.fixture
def environment(on_kernel):
    return on_kernel("6.12.107+deb13-amd64")


def test_environment_type_is_found_by_its_tool_name(environment):
    from ebpf_overhead.asv.plugin import RunningKernel

    assert type(environment) is RunningKernel
    assert environment.tool_name == "running-kernel"


def test_kernel_is_in_the_result_and_not_in_the_folder_that_is_built(environment):
    from asv.results import get_filename

    name = f"running-kernel-py{PYTHON}-KERNEL6.12.107+deb13-amd64"
    assert environment.name == name
    assert get_filename("here", "0123456789", name) == f"here/01234567-{name}.json"
    assert environment.env_vars == {"KERNEL": "6.12.107+deb13-amd64"}
    assert environment.build_env_vars == {}


def test_two_kernels_have_two_results_and_one_folder(on_kernel):
    old, new = on_kernel("6.12.107+deb13-amd64"), on_kernel("7.3.4+deb14-amd64")
    assert old.name != new.name
    assert old.dir_name == new.dir_name


def test_name_with_the_longest_release_is_not_shortened_to_a_digest(on_kernel):
    """asv does so from 128 characters on; uname(2) gives at most 64."""
    from asv.results import get_filename

    release = "7.3.4-" + "x" * 58
    assert release in get_filename("here", "0123456789", on_kernel(release).name)


def test_machine_file_does_not_follow_the_kernel(tmp_path):
    """That is why the release is part of the environment."""
    from asv.machine import Machine

    path = tmp_path / "machines.json"
    fields = {"machine": MACHINE, "os": "Linux 5.10.0-32-amd64", "arch": "", "cpu": ""}
    path.write_text(json.dumps({MACHINE: {**fields, "num_cpu": "", "ram": ""}, "version": 1}))
    machine = Machine.load(machine_name=MACHINE, _path=str(path))
    assert machine.os == "Linux 5.10.0-32-amd64"


def test_environments_get_the_pinned_runner(environment, monkeypatch):
    calls = []
    monkeypatch.setattr(environment, "_run_pip", lambda arguments, **_: calls.append(arguments))
    environment._install_requirements()
    (pinned,) = re.findall(r'"(asv_runner==[^"]+)"', (ROOT / "pyproject.toml").read_text())
    asked = [word.replace(" ", "") for call in calls for word in call if "asv_runner" in word]
    assert asked == [pinned]


@pytest.mark.parametrize(("variable", "passes"), [("PYTHONPATH", False), ("ASV_PYTHONPATH", True)])
def test_only_asvs_own_variable_adds_to_the_path(environment, monkeypatch, variable, passes):
    monkeypatch.setattr(environment, "find_executable", lambda name: sys.executable)
    variables = {name: value for name, value in os.environ.items() if "PYTHONPATH" not in name}
    printed = environment.run(
        ["-c", "import sys; print(sys.path)"], env={**variables, variable: "/nowhere/to/be/found"}
    )
    assert ("/nowhere/to/be/found" in printed) is passes


# --- what is published


def test_only_what_has_results_or_failed_is_published(tiny, tmp_path, monkeypatch):
    from types import SimpleNamespace

    from asv.commands import publish

    from ebpf_overhead.asv.plugin import published

    monkeypatch.setattr(publish, "Benchmarks", publish.Benchmarks)
    published.install()
    results = shutil.copytree(tiny.folder / ".asv/results", tmp_path / "results")
    conf = SimpleNamespace(results_dir=str(results), benchmark_dir="benchmarks")

    def listed():
        return {name.split(".")[1] for name in publish.Benchmarks.load(conf) if "." in name}

    def store(name, value):
        for path in (results / MACHINE).glob("*-*.json"):
            stored = json.loads(path.read_text())
            if name in stored["results"]:
                row = stored["results"][name]
                row[0] = [value] * len(row[0])
            path.write_text(json.dumps(stored))

    everything = {"Window", "Tracked", "Skipped"}
    assert listed() == everything
    store("tiny.Skipped.track_one", math.nan)
    assert listed() == everything - {"Skipped"}, "n/a throughout"
    store("tiny.Skipped.track_one", None)
    assert listed() == everything, "a failure is to be seen"
    for path in (results / MACHINE).glob("*-*.json"):
        path.unlink()
    assert listed() == everything, "nothing is measured yet"


# --- what runs by default


def test_default_selection_is_the_configurations_unless_asked(monkeypatch, tmp_path):
    from types import SimpleNamespace

    from asv.benchmarks import Benchmarks

    from ebpf_overhead.asv.plugin import default_selection

    names = ["getpid.Unprobed.time_getpid", "attach_types.Unprobed.time_call"]
    found = [{"name": name, "params": []} for name in names]
    monkeypatch.setattr(Benchmarks, "_disc_benchmarks", classmethod(lambda *_: found))
    default_selection.install()

    def selected(regex=None, **conf):
        conf = SimpleNamespace(benchmark_dir="benchmarks", **conf)
        benchmarks = Benchmarks.discover(conf, None, [None], ["HEAD"], regex=regex)
        assert list(benchmarks._all_benchmarks) == names, "all are listed, whatever is selected"
        return list(benchmarks)

    assert selected() == names
    assert selected(default_bench=[r"^getpid\."]) == names[:1]
    assert selected("^attach", default_bench=[r"^getpid\."]) == names[1:]
    assert selected(["."], default_bench=[r"^getpid\."]) == names


@pytest.mark.parametrize("name", ["asv.conf.json", "asv.kernels.json"])
def test_default_of_the_suite_is_the_standard_grid(name):
    from asv.config import Config

    (expression,) = Config.load(str(ROOT / name)).default_bench
    here = discover(os.uname().release, os.uname().machine)
    selected = [benchmark for benchmark in here if re.search(expression, benchmark)]
    assert selected
    assert {benchmark.split(".")[0] for benchmark in selected} == {"getpid"}
    assert len(here) > 2 * len(selected)
