"""The studies as commands, and what answers to the names that they had."""

from __future__ import annotations

import inspect

import pytest
from click.testing import CliRunner

from ebpf_overhead import cli
from ebpf_overhead.cli import measure, standard_study, study
from ebpf_overhead.cli.output import Output
from ebpf_overhead.errors import ExitStatus
from ebpf_overhead.hooks.cases import select
from ebpf_overhead.measure.bystander import BYSTANDERS
from ebpf_overhead.studies.registry import STUDIES, load


def invoke(*arguments: str):
    return CliRunner().invoke(cli.main, arguments, prog_name="ebpf-overhead")


@pytest.mark.parametrize("name", study.command.table)
def test_each_study_has_help_with_its_own_name(name):
    run = invoke("study", name, "--help")
    assert run.exit_code == 0
    assert run.output.startswith(f"Usage: ebpf-overhead study {name} ")
    assert f"ebpf-overhead study {name}" in run.output.partition("Examples:")[2]


def test_every_study_is_a_command():
    assert STUDIES.keys() == study.command.table.keys()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("cohabit", "study coattachment"),
        ("scale", "study scaling"),
        ("map-state", "study map-state"),
        ("attach-latency", "study attach-latency"),
        ("decompose", "study decomposition"),
        ("validate", "study validation"),
    ],
)
def test_old_name_answers_with_the_new_one(old, new):
    run = invoke(old, "--attach", "all")
    assert (run.exit_code, run.stdout) == (ExitStatus.BAD_USE, "")
    assert run.stderr == (
        f"ebpf-overhead: {old!r} has a new name: ebpf-overhead {new}; see ebpf-overhead --help\n"
    )
    assert invoke(*new.split(), "--help").exit_code == 0


def test_misspelt_study():
    run = invoke("study", "scalin")
    assert run.exit_code == ExitStatus.BAD_USE
    assert run.stderr == (
        "ebpf-overhead study: no study is called 'scalin'; did you mean scaling?\n"
    )


STANDARD = [name for name in STUDIES if load(name).defaults is not None]


@pytest.fixture
def asked(monkeypatch):
    """What a command is about to measure: the study's name, its cases, and how."""
    found = []
    monkeypatch.setattr(
        standard_study, "measure_and_show", lambda *given, **options: found.append((given, options))
    )
    return found


@pytest.mark.parametrize("name", STANDARD)
def test_standard_study_measures_its_own_choice(name, asked):
    assert invoke("study", name, "--seed", "5").exit_code == 0
    defaults = load(name).defaults
    (((study_name, cases), options),) = asked
    assert study_name == name
    assert cases == defaults.cases(select(defaults.attach, defaults.program, defaults.workload))
    assert options["seed"] == 5
    taken = inspect.signature(measure.measure_and_show).parameters
    assert options.keys() == taken.keys() - {"study", "cases"}
    assert isinstance(options["output"], Output)


def test_what_is_chosen_counts_more_than_the_default(asked):
    assert invoke("study", "bystanders", "--program", "simple", "--attach", "tp_btf").exit_code == 0
    cases = asked[0][0][1]
    assert {(each.program.name, each.attach.name) for each in cases} == {("simple", "tp_btf")}
    assert [each.caller for each in cases] == [None, *BYSTANDERS]


def test_flags_of_measure_are_no_options_of_studies():
    run = invoke("study", "grid", "--bystander")
    assert run.exit_code == ExitStatus.BAD_USE
    hidden = [param.name for param in measure.command.params if getattr(param, "hidden", False)]
    assert hidden == []
