"""A record as Markdown, CSV, JSON and Go benchmark lines."""

from __future__ import annotations

import csv
import io
import json

import go_benchmarks
import pytest
from records import BLOCKS, CALLS_PER_WINDOW, WINDOWS_PER_BLOCK, record

from ebpf_overhead.report.formats import to_csv, to_gobench, to_json
from ebpf_overhead.studies.registry import FORMATS, to_markdown


def test_formats_of_the_command():
    assert set(FORMATS) == {"markdown", "csv", "json", "gobench", "openmetrics"}
    assert all(each(record()).endswith("\n") for each in FORMATS.values())


@pytest.mark.parametrize("name", FORMATS)
def test_formats_leave_the_record_alone(name):
    given = record()
    FORMATS[name](given)
    assert given == record()


def test_json_is_the_record_itself():
    assert json.loads(to_json(record())) == record()


def test_markdown():
    assert to_markdown(record()) == (
        """\
**empty: does nothing at all**

| Case | ns/op | Overhead ns/op | 99% interval | Overhead percent |
| --- | --: | --: | --: | --: |
| no probe | 102.0 |  |  |  |
| tracepoint | 150.0 | +50.0 ~ | +48.5 … +51.5 | +50 % |

**simple: increments a hash map, key = pid**

| Case | ns/op | Overhead ns/op | 99% interval | Overhead percent |
| --- | --: | --: | --: | --: |
| no probe | 100.0 |  |  |  |
| tp_btf \\* | 150.0 | +50.0 | +48.5 … +51.5 | +50 % |
| raw_tracepoint | n/a |  | refused |  |
| fentry | n/a |  | unsupported |  |
| kprobe | n/a |  | failed |  |

- raw\\_tracepoint: refused: EPERM at attach: CAP\\_BPF missing; run as root, or grant it
- fentry: unsupported: EPERM at load: fentry refused
- kprobe: failed: did not fire once a call: 0 hits for 1000 calls
- ~ not as precise as asked when the time was over: --time gives more
- \\* tp\\_btf/sys\\_enter is what the reference benchmark calls tracepoint
"""
    )


def test_csv_has_a_line_a_case_and_empty_cells_for_what_is_not_known():
    lines = list(csv.DictReader(io.StringIO(to_csv(record()))))
    empty, measured, refused, unsupported, failed = lines
    assert measured == {
        "target": "getpid",
        "attach": "tp_btf",
        "program": "simple",
        "status": "measured",
        "reason": "",
        "unit": "ns",
        "baseline_median": "100.0",
        "probed_median": "150.0",
        "overhead_estimate": "50.0",
        "overhead_low": "48.5",
        "overhead_high": "51.5",
        "overhead_percent_estimate": "50.0",
        "calls": "2000",
        "hits": "2000",
        "runs_per_call": "1",
        "foreign_hits": "12345",
        "missed": "0",
        "lost_updates": "0",
        "windows": "6",
        "stopped_by": "precision",
        "bystander_call": "",
        "bystander_process": "",
        "residue_estimate": "",
        "beside_programs": "",
        "beside_together": "",
        "kernel": "",
    }
    assert (empty["foreign_hits"], empty["lost_updates"], empty["missed"]) == ("", "", "")
    for line, case in zip((refused, unsupported, failed), record()["cases"][2:], strict=True):
        filled = {name: value for name, value in line.items() if value}
        assert filled == {
            name: case[name] for name in ("target", "attach", "program", "status", "reason", "unit")
        }


def test_csv_quotes_what_needs_it():
    given = record()
    given["cases"][3]["reason"] = 'EPERM, "refused"\nat load'
    line = list(csv.DictReader(io.StringIO(to_csv(given))))[3]
    assert line["reason"] == 'EPERM, "refused"\nat load'


def test_gobench_is_gos_format_with_a_line_a_block():
    configuration, results = go_benchmarks.parse(to_gobench(record()))
    assert configuration == {
        "goos": "linux",
        "goarch": "amd64",
        "cpu": "AMD Ryzen 7 5800X 8-Core Processor",
    }
    assert {result.unit for result in results} == {"ns/op"}
    assert {result.iterations for result in results} == {WINDOWS_PER_BLOCK * CALLS_PER_WINDOW}
    values: dict[str, list[float]] = {}
    for result in results:
        values.setdefault(result.name, []).append(result.value)
    assert values == {
        # Both measured cases have a baseline of their own.
        "GetpidWithoutAnyProbes/getpid": [100.0, 100.0, 102.0] * 2,
        "GetpidSyscallTracepointWithNoMap/getpid": [150.0, 150.5, 152.0],
        "GetpidTracepointWithSimpleMap/getpid": [150.0, 150.5, 152.0],
    }
    assert all(len(each) % BLOCKS == 0 for each in values.values())


def test_gobench_of_the_references_own_line():
    """What the reference prints for its tracepoint is what this prints for tp_btf."""
    given = record()
    given["cases"] = [given["cases"][1]]
    given["cases"][0]["program"] = "empty"
    text = to_gobench(given)
    assert "BenchmarkGetpidTracepointWithNoMap/getpid\t2000\t150 ns/op\n" in text


def test_gobench_of_slow_and_fast_calls():
    given = record()
    case = given["cases"][1]
    given["cases"] = [case]
    case["samples"] = {"baseline": [0.0123] * 6, "probed": [1234567.0] * 6}
    _, results = go_benchmarks.parse(to_gobench(given))
    assert [result.value for result in results] == pytest.approx(
        [0.0123] * 3 + [1234567.0] * 3, rel=1e-3
    )


def test_gobench_of_instructions_and_of_another_machine():
    given = record()
    given["machine"]["kernel"]["architecture"] = "aarch64"
    given["machine"]["cpu"]["model"] = None
    for case in given["cases"]:
        case["unit"] = "instructions"
    configuration, results = go_benchmarks.parse(to_gobench(given))
    assert configuration == {"goos": "linux", "goarch": "arm64"}
    assert {result.unit for result in results} == {"instructions/op"}


def test_gobench_of_an_architecture_that_go_calls_by_the_same_name():
    given = record()
    given["machine"]["kernel"]["architecture"] = "riscv64"
    assert go_benchmarks.parse(to_gobench(given))[0]["goarch"] == "riscv64"


def test_gobench_of_names_that_are_in_no_catalogue():
    given = record()
    given["cases"] = [given["cases"][1]]
    given["cases"][0] |= {"attach": "kprobe_multi", "program": "mine"}
    _, results = go_benchmarks.parse(to_gobench(given))
    assert results[-1].name == "GetpidKprobeMultiWithMine/getpid"


def test_nothing_measured_is_said_in_every_format():
    given = record()
    given["cases"] = given["cases"][2:]
    assert go_benchmarks.parse(to_gobench(given))[1] == []
    assert len(to_csv(given).splitlines()) == 4
    assert "| no probe | n/a |" in to_markdown(given)
