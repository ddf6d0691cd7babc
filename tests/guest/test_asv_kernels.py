"""asv's commands over kernels: good ones, one with a panic, one truncated, the running one."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import os
import re

import pytest
from asv.util import load_json
from asv_projects import PYTHON, ROOT, Project
from kernels_fakes import Silent

from ebpf_overhead import architectures
from ebpf_overhead.guest import accel
from ebpf_overhead.guest.qemu import find_qemu, qemu_version
from ebpf_overhead.kernels import catalogue, store
from ebpf_overhead.kernels.adding import Adder, Choices
from ebpf_overhead.kernels.layout import Layout
from ebpf_overhead.kernels.record import from_json

SERIES = "quick.track_series"
ICOUNT = f"kernel-py{PYTHON}-ACCELtcg-CLOCKicount-CPUmax"


class Kernels(Project):
    """asv.kernels.json with places of its own, and a history of chosen kernels.

    Attributes
    ----------
    old, middle, new : str
        Releases of kernels that boot; the middle one panics in a benchmark, hangs in another and
        is stuck in a third.
    broken : str
        Release of a kernel, next to the middle one, whose image is truncated.
    running : str or None
        Release of the running kernel; None where it is that of one of the others.
    """

    def __init__(self, folder, kernels):
        super().__init__(folder)
        self.data = Layout(folder / "data", folder / "data" / "history")
        # Not the one next to the running kernel: asv's find gives up where of the last three
        # kernels that it looks at the one in the middle does not boot.
        middle = kernels[len(kernels) // 3]
        chosen = (kernels[0], middle, kernels[-1])
        self.old, self.middle, self.new = (kernel.release for kernel in chosen)
        self.broken = f"{middle.record.series}.999-broken"
        self.data.kernels.mkdir(parents=True)
        for kernel in set(chosen):
            (self.data.kernels / kernel.release).symlink_to(kernel.directory)
        self._break(middle)
        self.running = None
        if os.uname().release not in (self.old, self.middle, self.new):
            Adder(self.data, lambda: None, Choices(), Silent()).add(["running"])
            self.running = os.uname().release
        self.configure("quick.json", benchmark_dir=str(ROOT / "tests/guest/suite"))
        self.configure("both.json", benchmark_dir=str(ROOT / "tests/guest/suite"),
                       matrix={"env_nobuild": {"CLOCK": ["icount", "wall"]}})  # fmt: skip
        self.configure("wall.json", benchmark_dir=str(ROOT / "tests/guest/suite"),
                       matrix={"env_nobuild": {"CLOCK": ["wall"]}})  # fmt: skip
        self.configure("real.json", benchmark_dir=str(ROOT / "benchmarks"))

    def _break(self, kernel):
        directory = self.data.kernels / self.broken
        directory.mkdir()
        record = from_json((kernel.directory / store.RECORD).read_bytes(), "")
        record = dataclasses.replace(record, release=self.broken, version=self.broken)
        (directory / store.RECORD).write_text(record.to_json())
        (directory / "origin.json").write_text('{"trust": "a test", "places": []}')
        (directory / store.IMAGE).write_bytes(kernel.image.read_bytes()[:3_000_000])

    def configure(self, name, **changes):
        conf = load_json(str(ROOT / "asv.kernels.json"), js_comments=True)
        own = {"repo": str(self.data.history), "env_dir": "env", "results_dir": "results",
               "default_bench": None}  # fmt: skip
        (self.folder / name).write_text(json.dumps({**conf, **own, "html_dir": "html", **changes}))

    def in_range(self):
        """Releases after the old kernel up to the new one; the running one may be anywhere."""
        releases = [kernel.release for kernel in catalogue.installed(self.data)]
        return releases[releases.index(self.old) + 1 : releases.index(self.new) + 1]

    def asv(self, command, *arguments, conf="quick.json", **extra):
        extra = {
            "EBPF_OVERHEAD_DATA": str(self.data.root),
            "ASV_TEST_HANG": self.middle,
            "ASV_TEST_PANIC": self.middle,
            "ASV_TEST_STUCK": self.middle,
            **extra,
        }
        return super().asv(command, "--config", conf, *arguments, **extra)

    def results(self, release):
        """What is stored for a kernel: name of the environment -> benchmark -> values."""
        commit = self.run("git", "-C", str(self.data.history), "rev-parse", release).stdout.strip()
        found = {}
        for path in (self.folder / "results" / self.machine).glob(f"{commit[:8]}-*.json"):
            stored = json.loads(path.read_text())
            found[stored["env_name"]] = {
                name: row[0] if isinstance(row, list) else row
                for name, row in stored["results"].items()
            }
        return found


@pytest.fixture(scope="module")
def project(kernels, tmp_path_factory):
    if len({kernel.release for kernel in kernels}) < 3:
        pytest.skip("three kernels are needed: ebpf-overhead kernels add 6.1 6.12 7.3")
    return Kernels(tmp_path_factory.mktemp("asv-kernels") / "project", kernels)


@pytest.fixture(scope="module")
def printed(project):
    """What the first kernel and the range after it print; some benchmarks fail in the range."""
    first = project.asv("run", f"{project.old}^!")
    return first + project.asv("run", f"{project.old}..{project.new}", check=False)


@pytest.fixture
def running(project):
    """The release of the running kernel."""
    if project.running is None:
        pytest.skip(f"{os.uname().release} is running and is among the kernels that boot")
    return project.running


def number(release):
    major, minor = release.split(".")[:2]
    return 100 * int(major) + int(minor)


def test_every_kernel_is_measured_on_that_kernel(project, printed):
    for release in (project.old, project.middle, project.new):
        (values,) = project.results(release).values()
        assert values[SERIES] == [number(release)], printed
        assert values["quick.track_clock_is_icount"] == [1]
    assert project.results(project.old).keys() == {ICOUNT}


def test_panic_costs_one_benchmark(project, printed):
    panic = {
        release: project.results(release)[ICOUNT]["quick.track_panic"]
        for release in (project.old, project.middle, project.new)
    }
    assert panic == {project.old: [1], project.middle: None, project.new: [1]}


def test_hang_costs_one_benchmark(project, printed):
    hang = {
        release: project.results(release)[ICOUNT]["quick.track_hang"]
        for release in (project.old, project.middle, project.new)
    }
    assert hang == {project.old: [1], project.middle: None, project.new: [1]}, printed


def test_benchmark_that_never_ends_costs_itself(project, printed):
    stuck = {
        release: project.results(release)[ICOUNT]["quick.track_stuck"]
        for release in (project.old, project.middle, project.new)
    }
    assert stuck == {project.old: [1], project.middle: None, project.new: [1]}


def test_truncated_image_costs_its_own_revision_and_is_told_once(project, printed):
    assert set(project.results(project.broken)[ICOUNT].values()) == {None}
    assert printed.count("truncated") == 1


def test_running_kernel_is_measured_natively_under_its_own_name(project, printed, running):
    if running not in project.in_range():
        project.asv("run", f"{running}^!")
    ((name, values),) = project.results(running).items()
    assert name.startswith(f"kernel-py{PYTHON}-ACCELnative-CLOCKwall-CPU")
    assert values[SERIES] == [number(running)]
    assert values["quick.track_clock_is_icount"] == [0]


def test_clock_that_cannot_measure_a_kernel_is_one_line_and_no_failure(project, printed, running):
    shown = project.asv("run", f"{running}^!", "--bench", SERIES, conf="both.json")
    assert shown.count("whose clock cannot count instructions") == 1
    stored = project.results(running)
    assert math.isnan(stored.pop(ICOUNT)[SERIES][0])
    ((name, values),) = stored.items()
    assert "CLOCKwall" in name
    assert values[SERIES] == [number(running)]


def test_wall_clock_without_virtualisation_is_one_line_and_no_failure(project, tmp_path):
    """That this machine's KVM boots no such kernel is remembered here, whatever it can do."""
    kernel = catalogue.find(project.new, project.data)
    version = qemu_version(find_qemu(architectures.of(kernel.arch)))
    key = accel.trial_key(kernel.release, kernel.image, version)
    accel.Memory(tmp_path / "ebpf-overhead/acceleration.json").keep(key, "it hangs in the BIOS")
    shown = project.asv("run", f"{project.new}^!", "--bench", SERIES, conf="wall.json",
                        XDG_CACHE_HOME=str(tmp_path))  # fmt: skip
    assert shown.count("no hardware virtualisation for this kernel here: it hangs in the BIOS") == 1
    (name,) = project.results(project.new).keys() - {ICOUNT}
    assert "ACCELkvm-CLOCKwall" in name
    assert math.isnan(project.results(project.new)[name][SERIES][0])


def test_range_begins_after_its_first_kernel(project, printed):
    assert "(1 commits * 1 environments * 5 benchmarks)" in printed
    # The middle kernel, the broken one, the new one; and the running one, if it is between them.
    commits = len({project.middle, project.broken, project.new, *project.in_range()})
    assert f"({commits} commits * 1 environments * 5 benchmarks)" in printed


def test_compare_and_show_by_release(project, printed):
    shown = project.asv("compare", project.old, project.new)
    assert re.search(rf"\|\s*{number(project.old)}\s*\|\s*{number(project.new)}\s*\|", shown)
    assert SERIES in project.asv("show", project.new)


def test_find_names_the_kernel_with_the_step_past_one_that_does_not_boot(project, printed):
    if project.running not in project.in_range():
        pytest.skip("asv gives up where of three kernels one does not boot: no fourth is there")
    booting = [each for each in project.in_range() if each != project.broken]
    steps = {
        after: number(after) - number(before)
        for before, after in itertools.pairwise(booting)  # a range leaves its first kernel out
    }
    largest = max(steps, key=steps.get)
    if 2 * steps[largest] <= sum(steps.values()):
        pytest.skip(f"no step stands out among these kernels: {steps}")
    shown = project.asv("find", f"{project.old}..{project.new}", SERIES)
    assert re.search(rf"Greatest regression found: \w+ <{re.escape(largest)}", shown)


def test_continuous_measures_two_kernels(project):
    shown = project.asv("continuous", project.old, project.new, "--bench", SERIES, check=False)
    assert "(2 commits * 1 environments * 1 benchmarks)" in shown
    assert "PERFORMANCE DECREASED" in shown


def test_parallel_is_refused_in_one_line(project):
    shown = project.asv("run", "-j", "2", f"{project.new}^!", check=False)
    assert shown.count("leave it out") == 1
    assert "Traceback" not in shown


def test_real_suite(project):
    """Every row of the grid counted on the newest kernel; times are n/a there, with the reason."""
    shown = project.asv("run", "--show-stderr", "--bench", "^getpid", f"{project.new}^!",
                        conf="real.json")  # fmt: skip
    values = project.results(project.new)[ICOUNT]
    for name in ("instructions", "overhead", "baseline"):
        counted = values[f"getpid.Instructions.track_{name}"]
        assert len(counted) == 15
        assert all(value > 20 for value in counted), shown
    for name in ("Probed.time_getpid", "Unprobed.time_getpid", "Overhead.track_overhead"):
        assert all(math.isnan(value) for value in values[f"getpid.{name}"])
    assert "time means nothing under icount" in shown
    project.asv("publish", conf="real.json")
    index = json.loads((project.folder / "html/index.json").read_text())
    assert "icount" in index["params"]["env-CLOCK"]
