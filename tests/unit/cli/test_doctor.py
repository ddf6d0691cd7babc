"""``doctor``: tables that fit, JSON that is complete, and the exit status."""

from __future__ import annotations

import io
import json

import pytest
from click.testing import CliRunner
from machine_trees import CONTAINER, CONTAINER_LINKS, LAPTOP, MINIMAL_VM, plant
from rich.console import Console

from ebpf_overhead.cli import doctor
from ebpf_overhead.hooks.cases import ATTACH_TYPES, STANDARD_ATTACH_TYPES
from ebpf_overhead.hooks.probe import Support
from ebpf_overhead.machine import describe

REFUSAL = Support(
    "refused", "EPERM at load: CAP_BPF and CAP_PERFMON missing", "grant both capabilities"
)
NO_KPROBES = Support("unsupported", "kprobe events absent: CONFIG_KPROBES off")


def refuse(_: str) -> Support:
    return REFUSAL


def partly(name: str) -> Support:
    return NO_KPROBES if name == "kprobe" else Support("available", hook=f"hook_of_{name}")


def shown(diagnosis: doctor.Diagnosis, width: int) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width).print(doctor.render(diagnosis))
    return stream.getvalue()


@pytest.fixture
def laptop(tmp_path):
    return describe(plant(tmp_path, LAPTOP))


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize(
    ("files", "links"), [(CONTAINER, CONTAINER_LINKS), (MINIMAL_VM, {}), (LAPTOP, {})]
)
def test_everything_is_shown_and_fits(tmp_path, files, links, width):
    diagnosis = doctor.diagnose(describe(plant(tmp_path, files, links)), partly)
    text = shown(diagnosis, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    flowing = " ".join(text.split())
    for name in ATTACH_TYPES:
        assert name in flowing
    for name in STANDARD_ATTACH_TYPES:
        assert f"hook_of_{name}" in flowing or name == "kprobe"
    assert "kprobe events absent: CONFIG_KPROBES off -> measure it on another kernel" in flowing
    for each in diagnosis.advice:
        assert f"{each.seen} {each.why}" in flowing


def test_what_brackets_mean_to_rich_is_shown_as_it_is(tmp_path):
    files = {"proc/sys/kernel/version": "#1 [bold] SMP [/bold]", "proc/cpuinfo": "cpu : [red]X\n"}
    text = shown(doctor.diagnose(describe(plant(tmp_path, files)), refuse), 80)
    assert "#1 [bold] SMP [/bold]" in text
    assert "[red]X" in text


def test_one_reason_for_all_is_written_once(laptop):
    text = " ".join(shown(doctor.diagnose(laptop, refuse), 80).split())
    # Once for the standard ones, once for all others.
    assert text.count("EPERM at load: CAP_BPF and CAP_PERFMON missing") == 2
    assert text.count("as above") == len(STANDARD_ATTACH_TYPES) - 1


def test_further_attach_types_are_told_by_outcome(laptop):
    refused = {"lsm", "fexit"}

    def attempt(name: str) -> Support:
        if name in refused:
            return Support("unsupported", f"EPERM at load: {name} refused")
        return Support("available", hook="hook")

    text = " ".join(shown(doctor.diagnose(laptop, attempt), 120).split())
    assert "unsupported: fexit, lsm: EPERM at load -> measure it on another kernel" in text
    available = [name for name in ATTACH_TYPES if name not in {*refused, *STANDARD_ATTACH_TYPES}]
    assert f"available: {', '.join(available)}" in text


def test_quiet_tries_the_standard_attach_types_only(monkeypatch, laptop):
    tried = []
    monkeypatch.setattr(doctor.preflight, "check", lambda cases=None: None)
    monkeypatch.setattr(
        doctor, "diagnose", lambda attach_types: tried.extend(attach_types) or measurable(laptop)
    )
    assert CliRunner().invoke(doctor.command, ["--quiet"]).exit_code == 0
    assert tuple(tried) == STANDARD_ATTACH_TYPES


def measurable(laptop):
    return doctor.Diagnosis(laptop, {"tp_btf": Support("available")}, [])


def test_commands_can_be_copied_at_80_columns(laptop):
    diagnosis = doctor.diagnose(laptop, partly)
    lines = shown(diagnosis, 80).splitlines()
    words = {word for each in diagnosis.advice for word in (each.command or "").split()}
    assert words <= {word for line in lines for word in line.split()}


def test_verdict_counts_the_reference_grid(laptop):
    assert "2 of the reference grid's 3 attach types can be measured here: tp_btf, fentry." in (
        shown(doctor.diagnose(laptop, partly), 120)
    )
    assert "Nothing of the reference grid can be measured here." in (
        shown(doctor.diagnose(laptop, refuse), 120)
    )


@pytest.mark.parametrize(
    ("available", "status"),
    [(set(ATTACH_TYPES), 0), ({"fentry"}, 0), ({"tracepoint", "raw_tracepoint"}, 3), (set(), 3)],
)
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_exit_status(monkeypatch, laptop, available, status, options):
    diagnosis = doctor.diagnose(
        laptop, lambda name: Support("available") if name in available else REFUSAL
    )
    monkeypatch.setattr(doctor, "diagnose", lambda: diagnosis)
    assert CliRunner().invoke(doctor.command, options).exit_code == status


def test_json_is_one_object_with_everything(monkeypatch, laptop):
    diagnosis = doctor.diagnose(laptop, partly)
    monkeypatch.setattr(doctor, "diagnose", lambda: diagnosis)
    record = json.loads(CliRunner().invoke(doctor.command, ["--json"]).stdout)
    assert record["schema"] == 1
    assert record["measurable"] is True
    assert record["machine"] == laptop.as_dict()
    assert [each["attach"] for each in record["attach_types"]] == list(ATTACH_TYPES)
    (kprobe,) = [each for each in record["attach_types"] if each["attach"] == "kprobe"]
    assert kprobe == {
        "attach": "kprobe",
        "reference": True,
        "status": "unsupported",
        "reason": NO_KPROBES.reason,
        "remedy": None,
        "hook": None,
    }
    assert [each["topic"] for each in record["advice"]] == [each.topic for each in diagnosis.advice]


def test_help_has_an_example_and_fits():
    text = CliRunner().invoke(doctor.command, ["--help"]).stdout
    assert "ebpf-overhead doctor --json" in text
    assert max(map(len, text.splitlines())) <= 80


def test_bad_option_is_bad_use():
    assert CliRunner().invoke(doctor.command, ["--jsn"]).exit_code == 2
