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

from ebpf_overhead import cli
from ebpf_overhead.cli import measure
from ebpf_overhead.cli.progress import showing_turns
from ebpf_overhead.errors import ExitStatus, FailedError, RefusedError
from ebpf_overhead.hooks.cases import ATTACH_TYPES, select
from ebpf_overhead.measure import in_guest, preflight, sampling
from ebpf_overhead.measure.result import Measurement, Result, Sampling
from ebpf_overhead.measure.run_count_check import Hits
from ebpf_overhead.measure.sampling import Precision, Samples
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.studies import cases_run
from ebpf_overhead.studies.cases_run import Job
from ebpf_overhead.studies.registry import schema
from ebpf_overhead.workload import clock

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
        self.sampling: Sampling | None = None
        self.asked = []

    def measure_cases(self, cases, sampling, progress, verifier_log):
        self.sampling = sampling
        for case in cases:
            self.cases.append(case.name)
            self.asked.append(case)
            progress(case, 0.5)
            status = self.statuses.get(case.attach.name, "measured")
            progress(case, 1.0)
            log = f"log of {case.name}" if verifier_log else None
            if status == "measured":
                yield Result(case, status, measurement=MEASUREMENT, verifier_log=log)
            else:
                yield Result(case, status, f"EPERM at load: {case.attach.name} refused")


@pytest.fixture
def run(monkeypatch):
    run = Run()
    monkeypatch.delenv(clock.VARIABLE, raising=False)
    monkeypatch.setattr(cases_run, "measure_cases", run.measure_cases)
    monkeypatch.setattr(preflight, "check", lambda cases=None: None)
    return run


def invoke(*arguments: str):
    return CliRunner().invoke(cli.main, ["measure", *arguments], catch_exceptions=False)


def test_default_is_everything(run):
    result = invoke()
    assert result.exit_code == 0
    assert run.cases == [case.name for case in select()]
    assert run.sampling is not None
    assert run.sampling.precision == Precision(0.05, 10.0)
    assert run.sampling.time_s == Sampling.time_s
    assert run.sampling.seed is None


def test_choice_of_cases_and_options(run):
    cpu = str(sampling.choose_cpu())
    chosen = ("--attach", "kprobe", "--attach", "tp_btf", "--program", "complex")
    result = invoke(*chosen, "--time", "3s", "--cpu", cpu, "--seed", "7")
    assert result.exit_code == 0
    assert run.cases == ["getpid/tp_btf/complex", "getpid/kprobe/complex"]
    assert run.sampling == Sampling(
        Precision(0.05, 10.0), 1.5, int(cpu), 7, scatter=run.sampling.scatter
    )


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
    assert run.sampling is not None
    assert run.sampling.precision == precision


@pytest.mark.parametrize("precision", [Precision(0.02, 0), Precision(0, 0.5), Precision(0.01, 1)])
def test_precision_prints_as_it_is_given(run, precision):
    assert invoke("--precision", str(precision)).exit_code == 0
    assert run.sampling is not None
    assert run.sampling.precision == precision


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
    assert all(each.co_attached.attach_types == {"tp_btf": 1} for each in run.asked)
    assert "one probe already" in result.stdout
    assert "no probe " not in result.stdout
    assert "this is what a second one costs" in result.stdout


def test_statistics_of_the_kernel(run, monkeypatch):
    counted = dataclasses.replace(MEASUREMENT, run_time_reported=31.4)
    monkeypatch.setattr(sys.modules[__name__], "MEASUREMENT", counted)
    result = invoke("--attach", "tp_btf", "--program", "empty", "--bpf-stats")
    assert [each.statistics for each in run.asked] == [True]
    assert "the kernel reports 31.4 ns per run of tp_btf/empty" in " ".join(result.stdout.split())


def test_guest_gets_the_users_own_programs_by_their_whole_path(run, own, monkeypatch):
    asked = []

    def there(*arguments, preload, restore, variant):
        asked.append((*arguments, preload, restore))
        return {"cases": [], "machine": {"kernel": {"release": "6.12"}}}

    monkeypatch.setattr(in_guest, "measure_in_guest", there)
    chosen = ("--program", "mine.c", "--program", "empty", "--precision", "2%")
    assert invoke("--kernel", "6.12", *chosen, "--wait", "--verifier-log").exit_code == 3
    ((kernel, (_, _, data), _, programs, preload, restore),) = asked
    assert (kernel, preload, restore) == ("6.12", ["ebpf_overhead.studies.cases_run"], True)
    job = Job.of_json(data)
    assert {each.program.source for each in job.cases} == {None, own}
    assert job.sampling == Sampling(Precision(0.02, 0), 0.35)
    assert job.verifier_log
    assert [(each.name, each.source) for each in programs] == [
        ("empty", None),
        ("mine.c", Path("mine.c")),
    ]


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
    def refuse(cases: object = None) -> None:
        raise RefusedError("CAP_BPF missing", "run as root")

    monkeypatch.setattr(preflight, "check", refuse)
    result = invoke()
    assert result.exit_code == ExitStatus.NOTHING_MEASURABLE
    assert result.stderr == "ebpf-overhead: CAP_BPF missing; run as root\n"
    assert (result.stdout, run.cases) == ("", [])


def test_progress_is_no_part_of_the_output(run, capfd):
    """Its descriptor is the terminal's: standard error, or nothing where there is none."""
    cases = select(["tp_btf"])
    with showing_turns(len(cases)) as show:
        results = list(cases_run.measure_cases(cases, Sampling(), show, verifier_log=False))
    assert [result.status for result in results] == ["measured"] * 3
    assert capfd.readouterr().out == ""


def test_rows_of_a_guest_that_was_interrupted_are_printed(run, monkeypatch):
    record = json.loads(invoke("--json", "--attach", "tp_btf").stdout)
    record["cut_short"] = "interrupted"
    monkeypatch.setattr(in_guest, "measure_in_guest", lambda *_, **__: record)
    result = invoke("--kernel", "6.12")
    assert result.exit_code == ExitStatus.INTERRUPTED
    assert result.stdout.count("tp_btf *") == 3
    assert result.stderr.endswith("ebpf-overhead: interrupted; nothing is left attached\n")


@pytest.fixture
def two_kernels(run, monkeypatch):
    """Guests of 6.1 and 7.3: the programs cost ten more in the latter, and one is not there."""
    record = json.loads(invoke("--json", "--attach", "tp_btf").stdout)

    def there(kernel: str, *_, **_options):
        found = json.loads(json.dumps(record))
        found["machine"]["kernel"]["release"] = f"{kernel}.0"
        found["guest"] = {"clock": "icount"}
        if kernel == "9.9":
            raise FailedError("kernel 9.9 does not boot")
        if kernel == "7.3":
            asked = {n: found["cases"][0][n] for n in ("target", "attach", "program", "unit")}
            found["cases"][0] = asked | {"status": "unsupported", "reason": "no", "remedy": None}
            for case in found["cases"][1:]:
                case["overhead"]["estimate"] += 10
        return found

    monkeypatch.setattr(in_guest, "measure_in_guest", there)
    return ("--attach", "tp_btf", "--kernel", "6.1", "--kernel", "7.3")


def test_several_kernels_are_one_table(two_kernels):
    result = invoke(*two_kernels, "--format", "markdown")
    assert result.exit_code == 0
    tables = result.stdout.split("\n\n")
    assert tables[1].splitlines() == [
        "| Case | 6.1.0 | 7.3.0 |",
        "| --- | --: | --: |",
        "| no probe | 100.0 | n/a |",
        "| tp_btf \\* | +50.0 | unsupported |",
    ]
    assert tables[3].splitlines()[2:] == [
        "| no probe | 100.0 | 100.0 |",
        "| tp_btf \\* | +50.0 | +60.0 |",
    ]
    assert "**simple: increments a hash map, key = pid; overhead, ns/op**" in tables
    assert "- tp\\_btf on 7.3.0: unsupported: no" in result.stdout
    flowing = " ".join(invoke(*two_kernels).stdout.split())
    assert "5 of 6 cases measured on kernel 6.1.0, 7.3.0" in flowing


def test_several_kernels_are_one_record(two_kernels):
    record = json.loads(invoke(*two_kernels, "--json").stdout)
    jsonschema.validate(record, schema())
    assert [case["kernel"] for case in record["cases"]] == ["6.1.0"] * 3 + ["7.3.0"] * 3
    machines = [each["machine"]["kernel"]["release"] for each in record["machines"]]
    assert machines == ["6.1.0", "7.3.0"]
    assert [each["guest"] for each in record["machines"]] == [{"clock": "icount"}] * 2
    single = json.loads(invoke(*two_kernels[:4], "--json").stdout)
    assert "machines" not in single
    assert all("kernel" not in case for case in single["cases"])


def test_differences_keep_to_the_cases_of_their_kernel(two_kernels):
    record = json.loads(invoke(*two_kernels, "--json").stdout)
    jsonschema.validate(record, schema())
    places = [(each["first"]["case"], each["second"]["case"]) for each in record["differences"]]
    assert places == [(1, 0), (2, 0), (2, 1), (4, 3), (5, 3), (5, 4)]
    for each in record["differences"]:
        assert record["cases"][each["first"]["case"]]["program"] == each["first"]["program"]


def test_other_programs_can_tell_the_kernels_apart(two_kernels):
    lines = invoke(*two_kernels, "--format", "gobench").stdout.splitlines()
    kernels = [line for line in lines if line.startswith("kernel: ")]
    assert kernels == ["kernel: 6.1.0", "kernel: 7.3.0"]
    rows = csv.DictReader(io.StringIO(invoke(*two_kernels, "--format", "csv").stdout))
    assert [row["kernel"] for row in rows] == ["6.1.0"] * 3 + ["7.3.0"] * 3
    metrics = invoke(*two_kernels, "--format", "openmetrics").stdout
    assert 'kernel="7.3.0"' in metrics


def test_what_was_measured_before_a_kernel_that_fails_is_printed(two_kernels):
    result = CliRunner().invoke(cli.main, ["measure", *two_kernels, "--kernel", "9.9", "--json"])
    assert result.exit_code == ExitStatus.CASE_FAILED
    record = json.loads(result.stdout)
    assert len(record["cases"]) == 6
    assert "kernel 9.9 does not boot" in record["cut_short"]


def test_tables_of_one_kernel_refuse_several(two_kernels):
    result = invoke(*two_kernels, "--bystander")
    assert result.exit_code == ExitStatus.BAD_USE
    assert "name one --kernel" in result.stderr


@pytest.fixture
def in_processes(run, monkeypatch):
    """Measure in processes that are made up: each finds 4 ns more than the one before."""
    asked: list[tuple[Job, int]] = []

    def here(job, count):
        asked.append((job, count))
        for number in range(count):
            if number == 2 and run.statuses.get("third"):
                raise KeyboardInterrupt
            record = cases_run.run(job)
            for case in record["cases"]:
                if "overhead" in case:
                    for bound in ("estimate", "low", "high"):
                        case["overhead"][bound] += 4 * number
            yield record

    monkeypatch.setattr(measure, "measured_here", here)
    return asked


def test_processes_are_one_record_and_share_the_time(in_processes):
    options = ("--attach", "tp_btf", "--processes", "3", "--time", "9s")
    record = json.loads(invoke(*options, "--json").stdout)
    jsonschema.validate(record, schema())
    ((job, count),) = in_processes
    assert (count, job.sampling.time_s) == (3, 1.0)
    assert record["processes"] == 3
    assert [case["overhead"]["estimate"] for case in record["cases"]] == [54.0] * 3
    assert [len(case["by_process"]) for case in record["cases"]] == [3] * 3
    assert "3 of 3 cases measured" in invoke(*options).stdout
    assert ", in 3 processes; " in " ".join(invoke(*options).stdout.split())


def test_processes_that_were_finished_are_the_result(in_processes, run):
    run.statuses["third"] = "interrupted"
    options = ["measure", "--attach", "tp_btf", "--processes", "5", "--json"]
    result = CliRunner().invoke(cli.main, options)
    assert result.exit_code == ExitStatus.INTERRUPTED
    record = json.loads(result.stdout)
    assert (record["processes"], record["cut_short"]) == (2, "interrupted")
    assert [case["overhead"]["estimate"] for case in record["cases"]] == [52.0] * 3


def test_each_process_of_a_kernel_has_a_guest(two_kernels):
    record = json.loads(invoke(*two_kernels, "--processes", "2", "--json").stdout)
    jsonschema.validate(record, schema())
    assert [case["kernel"] for case in record["cases"]] == ["6.1.0"] * 3 + ["7.3.0"] * 3
    assert record["processes"] == 2
    assert all(len(case["by_process"]) == 2 for case in record["cases"] if "overhead" in case)


def test_a_kernel_whose_second_guest_fails_has_what_the_first_found(two_kernels, monkeypatch):
    usual, calls = in_guest.measure_in_guest, []

    def there(kernel, *rest, **options):
        calls.append(kernel)
        if len(calls) == 2:
            raise FailedError(f"kernel {kernel} does not boot")
        return usual(kernel, *rest, **options)

    monkeypatch.setattr(in_guest, "measure_in_guest", there)
    options = ["measure", *two_kernels, "--processes", "3", "--json"]
    result = CliRunner().invoke(cli.main, options)
    assert result.exit_code == ExitStatus.CASE_FAILED
    assert calls == ["6.1", "6.1"], "what failed once is not tried on the next kernel"
    record = json.loads(result.stdout)
    assert len(record["cases"]) == 3
    assert "does not boot" in record["cut_short"]
