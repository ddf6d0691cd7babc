"""``measure`` on results made up: what is asked, what is printed, and the exit status."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
import sys
from pathlib import Path

import go_benchmarks
import jsonschema
import pytest
from click.testing import CliRunner

from ebpf_overhead import cli, clock, remote, sampling
from ebpf_overhead.cases import ATTACH_TYPES, select
from ebpf_overhead.cli import measure
from ebpf_overhead.errors import ExitStatus, RefusedError
from ebpf_overhead.measure import Measurement, Options, Result
from ebpf_overhead.proof import Hits
from ebpf_overhead.report.record import schema
from ebpf_overhead.sampling import Precision, Samples
from ebpf_overhead.stats import Interval

MEASUREMENT = Measurement(
    samples=Samples((100.0, 99.0, 101.0, 100.0), (150.0, 149.0, 153.0, 150.0), 2, 3400),
    overhead=Interval(50.0, 48.5, 51.5, 0.99),
    hits=Hits(2000, 2000, 77),
    missed=0,
    map_use=None,
    stopped_by="precision",
    hook="sys_enter",
)


class Run:
    """What the command asked for, and what it got."""

    def __init__(self) -> None:
        self.statuses = {"fentry": "unsupported", "kprobe": "unsupported"}
        self.cases: list[str] = []
        self.options: Options | None = None

    def measure_cases(self, cases, options, progress):
        self.options = options
        for case in cases:
            self.cases.append(case.name)
            progress(case, 0.5)
            status = self.statuses.get(case.attach.name, "measured")
            progress(case, 1.0)
            log = f"log of {case.name}" if options.verifier_log else None
            if status == "measured":
                yield Result(case, status, measurement=MEASUREMENT, verifier_log=log)
            else:
                yield Result(case, status, f"EPERM at load: {case.attach.name} refused")


@pytest.fixture
def run(monkeypatch):
    run = Run()
    monkeypatch.delenv(clock.VARIABLE, raising=False)
    monkeypatch.setattr(measure, "measure_cases", run.measure_cases)
    monkeypatch.setattr(measure.preflight, "check", lambda: None)
    monkeypatch.setattr(cli.signal, "signal", lambda *_: None)
    return run


def invoke(*arguments: str):
    return CliRunner().invoke(cli.main, ["measure", *arguments], catch_exceptions=False)


def test_default_is_everything(run):
    result = invoke()
    assert result.exit_code == 0
    assert run.cases == [case.name for case in select()]
    assert run.options is not None
    assert run.options.precision == Precision(0.01, 1.0)
    assert run.options.time_s == Options.time_s
    assert run.options.seed is None


def test_choice_of_cases_and_options(run):
    cpu = str(sampling.choose_cpu())
    chosen = ("--attach", "kprobe", "--attach", "tp_btf", "--program", "complex")
    result = invoke(*chosen, "--time", "3", "--cpu", cpu, "--seed", "7")
    assert result.exit_code == 0
    assert run.cases == ["getpid/tp_btf/complex", "getpid/kprobe/complex"]
    assert run.options == Options(Precision(0.01, 1.0), 3.0, int(cpu), 7)


@pytest.mark.parametrize(
    ("text", "precision"),
    [
        ("2%", Precision(0.02, 0.0)),
        ("0.5ns", Precision(0.0, 0.5)),
        ("0.5%,2ns", Precision(0.005, 2.0)),
        (" 2 ns , .5 % ", Precision(0.005, 2.0)),
    ],
)
def test_precision(run, text, precision):
    assert invoke("--precision", text).exit_code == 0
    assert run.options is not None
    assert run.options.precision == precision


@pytest.mark.parametrize("precision", [Precision(0.02, 0), Precision(0, 0.5), Precision(0.01, 1)])
def test_precision_prints_as_it_is_given(run, precision):
    assert invoke("--precision", str(precision)).exit_code == 0
    assert run.options is not None
    assert run.options.precision == precision


@pytest.mark.parametrize("text", ["", "1", "%", "-1%", "1%%", "1 us", "1%,", "0ns", "nan%"])
def test_what_is_no_precision(run, text):
    assert invoke("--precision", text).exit_code == ExitStatus.BAD_USE
    assert run.cases == []


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        ({}, 0),
        ({"fentry": "unsupported", "kprobe": "refused"}, 0),
        ({"fentry": "failed"}, 1),
        (dict.fromkeys(ATTACH_TYPES, "failed"), 1),
        (dict.fromkeys(ATTACH_TYPES, "unsupported") | {"kprobe": "refused"}, 3),
        (dict.fromkeys(ATTACH_TYPES, "unsupported") | {"kprobe": "failed"}, 1),
    ],
)
@pytest.mark.parametrize("format_name", ["table", "json", "gobench"])
def test_exit_status_is_that_of_the_worst_row(run, statuses, status, format_name):
    run.statuses = statuses
    assert invoke("--format", format_name).exit_code == status


def test_table_has_every_row_and_every_reason(run):
    result = invoke()
    for case in select():
        assert case.attach.name in result.stdout
    assert result.stdout.count("no probe") == 3
    flowing = " ".join(result.stdout.split())
    assert "fentry: unsupported: EPERM at load: fentry refused" in flowing
    assert "9 of 15 cases measured on kernel " in flowing
    assert "18000 hits for 18000 counted calls" in flowing
    assert re.search(r"\d s in all \(.*start \d", flowing)


def test_json_is_valid_and_names_machine_and_phases(run):
    result = invoke("--format", "json")
    record = json.loads(result.stdout)
    jsonschema.validate(record, schema())
    assert [case["status"] for case in record["cases"]].count("unsupported") == 6
    assert record["machine"]["kernel"]["release"]
    assert {"start", "other", "total"} <= record["phases_s"].keys()
    assert {case["unit"] for case in record["cases"]} == {"ns"}


def test_unit_is_the_clocks(run, monkeypatch):
    monkeypatch.setenv(clock.VARIABLE, "icount")
    record = json.loads(invoke("--format", "json").stdout)
    assert {case["unit"] for case in record["cases"]} == {"instructions"}
    assert "instr/op" in invoke("--attach", "tp_btf").stdout


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.c"
    path.write_text("int program(void *ctx)\n{\n    return 0;\n}\n")
    (tmp_path / "mine.h").write_text("")
    return path


@pytest.mark.parametrize("format_name", ["table", "json", "csv", "markdown", "gobench"])
def test_program_of_the_users_own(run, own, format_name):
    result = invoke("--program", "mine.c", "--attach", "tp_btf", "--format", format_name)
    assert (result.exit_code, result.stderr) == (0, "")
    assert run.cases == ["getpid/tp_btf/mine.c"]
    assert ("WithMineC/" if format_name == "gobench" else "mine.c") in result.stdout


@pytest.mark.parametrize(
    ("program", "words"), [("gone.c", "no program file gone.c"), ("gone", "is called 'gone'")]
)
def test_unknown_program_is_found_before_measuring(run, own, program, words):
    result = invoke("--program", program)
    assert result.exit_code == ExitStatus.BAD_USE
    assert words in result.stderr
    assert run.cases == []


def test_verifier_log_goes_to_standard_error_and_into_the_record(run):
    result = invoke("--attach", "tp_btf", "--verifier-log", "--format", "json")
    record = json.loads(result.stdout)
    jsonschema.validate(record, schema())
    logs = [case["verifier_log"] for case in record["cases"]]
    assert logs == [f"log of {name}" for name in run.cases]
    assert result.stderr.splitlines()[:2] == [
        "--- verifier log of getpid/tp_btf/empty ---",
        "log of getpid/tp_btf/empty",
    ]


def test_second_program(run):
    result = invoke("--attach", "tp_btf", "--beside")
    assert run.options is not None
    assert run.options.beside
    assert "one probe already" in result.stdout
    assert "no probe " not in result.stdout
    assert "this is what a second one costs" in result.stdout


def test_statistics_of_the_kernel(run, monkeypatch):
    counted = dataclasses.replace(MEASUREMENT, run_time_reported=31.4)
    monkeypatch.setattr(sys.modules[__name__], "MEASUREMENT", counted)
    result = invoke("--attach", "tp_btf", "--program", "empty", "--bpf-stats")
    assert run.options is not None
    assert run.options.bpf_stats
    assert "the kernel reports 31.4 ns a run of tp_btf/empty" in " ".join(result.stdout.split())


def test_guest_gets_the_users_own_programs_by_their_whole_path(run, own, monkeypatch):
    asked = []

    def there(*arguments):
        asked.append(arguments)
        return {"cases": [], "machine": {"kernel": {"release": "6.12"}}}

    monkeypatch.setattr(remote, "measure_in_guest", there)
    chosen = ("--program", "mine.c", "--program", "empty", "--precision", "2%")
    assert invoke("--kernel", "6.12", *chosen, "--verifier-log").exit_code == 3
    ((kernel, arguments, _, sources, command),) = asked
    assert (kernel, command) == ("6.12", "measure")
    assert "--program empty" in " ".join(arguments)
    assert f"--program {own}" in " ".join(arguments)
    assert "--verifier-log" in arguments
    assert sources == [Path("mine.c")]


def test_gobench_is_for_benchstat(run):
    _, results = go_benchmarks.parse(invoke("--format", "gobench").stdout)
    assert len({result.name for result in results}) == 1 + 9


def test_csv_and_markdown(run):
    assert len(list(csv.DictReader(io.StringIO(invoke("--format", "csv").stdout)))) == 15
    assert invoke("--format", "markdown").stdout.count("| no probe |") == 3


@pytest.mark.parametrize("format_name", ["table", "json", "csv", "markdown", "gobench"])
def test_output_goes_to_a_file(run, tmp_path, format_name):
    path = tmp_path / "result"
    result = invoke("--format", format_name, "-o", str(path))
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "getpid" in path.read_text() or "no probe" in path.read_text()


def test_missing_folder_is_found_before_measuring(run, tmp_path):
    result = invoke("-o", str(tmp_path / "nowhere" / "result"))
    assert result.exit_code == ExitStatus.BAD_USE
    assert (
        result.stderr == f"ebpf-overhead: {tmp_path}/nowhere is not a directory; create it first\n"
    )
    assert run.cases == []


def test_machine_that_cannot_measure_says_so_in_one_line(run, monkeypatch):
    def refuse() -> None:
        raise RefusedError("CAP_BPF missing", "run as root")

    monkeypatch.setattr(measure.preflight, "check", refuse)
    result = invoke()
    assert result.exit_code == ExitStatus.NOTHING_MEASURABLE
    assert result.stderr == "ebpf-overhead: CAP_BPF missing; run as root\n"
    assert (result.stdout, run.cases) == ("", [])


@pytest.mark.parametrize("bystander", [False, True])
def test_rows_for_which_the_machine_was_disturbed_are_measured_once_more(
    run, monkeypatch, bystander
):
    def measure_cases(cases, options, progress):
        for result in run.measure_cases(cases, options, progress):
            slow = (
                result.case.name == "getpid/tp_btf/simple"
                and run.cases.count(result.case.name) == 1
            )
            samples = Samples((130.0,) * 4, (190.0,) * 4, 2, 3400)
            measured = (
                dataclasses.replace(MEASUREMENT, samples=samples) if slow else result.measurement
            )
            yield dataclasses.replace(result, measurement=measured)

    monkeypatch.setattr(measure, "measure_cases", measure_cases)
    options = ["--bystander"] if bystander else []
    outcome = invoke("--attach", "tp_btf", "--format", "json", *options)
    rows = json.loads(outcome.stdout)["cases"]
    again = [] if bystander else ["getpid/tp_btf/simple"]
    first = [f"getpid/tp_btf/{name}" for name in ("empty", "simple", "complex")]
    assert run.cases == first + again
    assert [row.get("repeated") for row in rows] == [None, None if bystander else True, None]
    assert [row["baseline"]["median"] for row in rows] == [100, 130 if bystander else 100, 100]


def test_progress_is_no_part_of_the_output(run, capfd):
    """Its descriptor is the terminal's: standard error, or nothing where there is none."""
    results = measure.measure_with_progress(select(["tp_btf"]), Options())
    assert [result.status for result in results] == ["measured"] * 3
    assert capfd.readouterr().out == ""
