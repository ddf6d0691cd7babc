"""`ebpf-overhead init`: the suite that it writes, and what it leaves as it is."""

from __future__ import annotations

import shutil

import pytest
import yaml
from click.testing import CliRunner
from example_gate import EXAMPLE, WORKFLOW, copy_of, gate_of
from processes import ROOT

pytest.importorskip("asv", reason="asv is not installed: pip install 'ebpf-overhead[bench]'")

from ebpf_overhead.api.new_suite import CI, CONFIGURATION
from ebpf_overhead.api.program_cost import ProgramCost
from ebpf_overhead.asv.stored import configuration
from ebpf_overhead.cli.init import command

OBJECTS = ROOT / "tests/data/objects"


class NewProject:
    """A project with object files, in which `init` is run."""

    def __init__(self, folder):
        self.folder = folder / "gate"
        (self.folder / "build").mkdir(parents=True)
        self.add("settings.bpf.o", "build/calls.bpf.o")

    def add(self, of, name):
        shutil.copy(OBJECTS / of, self.folder / name)
        (self.folder / name).chmod(0o644)

    def init(self, *words):
        names = [str(self.folder / w) if w.endswith((".o", ".c")) else w for w in words]
        return CliRunner().invoke(command, ["--directory", str(self.folder), *names])

    def text(self, name):
        return (self.folder / name).read_text()


@pytest.fixture
def project(tmp_path):
    return NewProject(tmp_path)


def test_the_example_is_what_init_writes(project):
    """The object of the test has one program at the same attach type."""
    (project.folder / "Makefile").touch()
    done = project.init("--kernel=6.12", "--ci=github", "--ci=gitlab", "build/calls.bpf.o")
    assert done.exit_code == 0, done.output
    copy_of(example := project.folder.with_name("example"))
    written = [CONFIGURATION, "benchmarks/__init__.py", "benchmarks/calls.py"]
    for name in (*written, *(path for path, _ in CI.values())):
        assert project.text(name) == (example / name).read_text(), name
        assert f"wrote {name}" in done.output


def test_a_class_for_each_file_with_the_cases_that_are_in_it(project):
    project.add("pair.bpf.o", "build/pair-of.bpf.o")
    (project.folder / "probe.c").write_text("int program(void *context) { return 0; }\n")
    files = ("build/pair-of.bpf.o", "probe.c")
    asked = ("--kernel=6.12", "--workload=read", "--workload=getpid", *files)
    assert project.init(*asked).exit_code == 0
    assert "class PairOf(ProgramCost):" in project.text("benchmarks/pair_of.py")
    pair = _class_in(project.text("benchmarks/pair_of.py"))
    assert pair.program == "build/pair-of.bpf.o"
    assert pair.workload == ["read", "getpid"]
    assert pair.params[0][:3] == ["all, read", "all, getpid", "enter, raw_tracepoint, getpid"]
    probe = _class_in(project.text("benchmarks/probe.py"))
    assert "fentry, getpid" in probe.cases


def test_files_of_one_name_are_told_apart_by_their_folders(project):
    (project.folder / "other").mkdir()
    project.add("pair.bpf.o", "other/calls.bpf.o")
    assert project.init("--kernel=6.12", "build/calls.bpf.o", "other/calls.bpf.o").exit_code == 0
    names = {path.name for path in (project.folder / "benchmarks").iterdir()}
    assert names == {"__init__.py", "build_calls.py", "other_calls.py"}


def test_nothing_that_is_there_is_changed(project):
    assert project.init("--kernel=6.12", "build/calls.bpf.o").exit_code == 0
    (project.folder / "benchmarks/calls.py").write_text("mine")
    project.add("pair.bpf.o", "build/pair.bpf.o")
    done = project.init("--ci=github", "build/calls.bpf.o", "build/pair.bpf.o")
    assert done.exit_code == 0, done.output
    assert project.text("benchmarks/calls.py") == "mine"
    assert "kept benchmarks/calls.py, which was there\n" in done.output
    assert "wrote benchmarks/pair.py\n" in done.output
    workflow = yaml.safe_load(project.text(CI["github"][0]))
    assert workflow["jobs"]["overhead"]["strategy"]["matrix"] == {"kernel": ["6.12"]}
    said = project.init("--kernel=7.3", "build/calls.bpf.o")
    assert str(said.exception) == (
        f"{project.folder / CONFIGURATION} is there and is not changed;"
        " leave out --kernel and --build, or change the file yourself"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["build/calls.bpf.o"], "no kernel to measure on was given; add --kernel 6.12"),
        (["--kernel=6.12", "build/no.bpf.o"], "no.bpf.o is not there; build it"),
        (["--kernel=6.12", str(OBJECTS / "pair.bpf.o")], "is not in the project"),
    ],
)
def test_what_cannot_be_tracked_is_one_line_and_nothing_is_written(project, words, said):
    done = project.init(*words)
    assert said in str(done.exception)
    assert [path.name for path in project.folder.iterdir()] == ["build"]


def test_another_suite_of_asv_is_left_alone(project):
    conf = '{"version": 1, "project": "p", "repo": ".", "environment_type": "virtualenv"}'
    (project.folder / CONFIGURATION).write_text(conf)
    done = project.init("build/calls.bpf.o")
    assert "is there, for another suite: nothing was written; give this" in str(done.exception)
    assert {path.name for path in project.folder.iterdir()} == {"build", CONFIGURATION}


def test_both_services_run_the_same_gate_on_the_kernels_of_the_suite():
    github = yaml.safe_load(WORKFLOW.read_text())
    gitlab = yaml.safe_load((EXAMPLE / CI["gitlab"][0]).read_text())["ebpf-overhead"]
    assert gitlab["script"] == [gate_of(github)]
    kernels = configuration(EXAMPLE / CONFIGURATION).matrix["env_nobuild"]["KERNEL"]
    assert github["jobs"]["overhead"]["strategy"]["matrix"]["kernel"] == kernels
    assert gitlab["parallel"]["matrix"] == [{"EBPF_OVERHEAD_KERNEL": kernels}]


def _class_in(text):
    names = {}
    exec(compile(text, "benchmark", "exec"), names)
    (found,) = (
        each
        for each in names.values()
        if isinstance(each, type) and issubclass(each, ProgramCost) and each is not ProgramCost
    )
    return found
