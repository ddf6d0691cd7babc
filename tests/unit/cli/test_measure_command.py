"""``measure --workload-command``: what cannot be done with it is said before anything runs."""

from __future__ import annotations

import io

import pytest
from click.testing import CliRunner

from ebpf_overhead.cli import measure
from ebpf_overhead.errors import BadUseError
from ebpf_overhead.report.console import console_on
from ebpf_overhead.tools.command.text import print_command

ECHO = ["--workload-command", "echo 1"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([*ECHO, "--bystander"], "--bystander: not for --workload-command"),
        ([*ECHO, "--co-attached", "--bpf-stats"], "--co-attached, --bpf-stats: not for"),
        ([*ECHO, "--processes", "3"], "--processes: not for"),
        ([*ECHO, "--format", "csv"], "--format csv: not for"),
        ([*ECHO, "--attach", "uprobe"], "a command passes no attach point of a function of this"),
        ([*ECHO, "--kernel", "6.12", "--kernel", "6.1"], "its table is of one kernel"),
        ([*ECHO, "--kernel", "6.12", "--victim", "1"], "a guest has none of this machine's proce"),
        ([*ECHO, "--metric", "("], r"the command 'echo 1' with --metric '\(' is not understood"),
        (["--workload-command", ""], "the command has no words"),
        (["--victim", "1"], "are of a command; name it: --workload-command"),
        (["--metric", "x"], "are of a command; name it: --workload-command"),
    ],
)
def test_what_cannot_be_done(arguments, words):
    run = CliRunner().invoke(measure.command, arguments, standalone_mode=False)
    assert isinstance(run.exception, BadUseError), run.output
    assert words.replace("\\", "") in str(run.exception)


def quantity(name, without, added):
    interval = {"estimate": added, "low": 1.5 * added, "high": 0.5 * added}
    return {"name": name, "baseline": {"median": without}, "added": interval}


def test_table_fits_and_says_how_often_the_program_ran():
    asked = {"target": "getpid", "attach": "raw_tracepoint", "program": "complex"}
    measured = {
        **asked,
        "status": "measured",
        "hook": "sys_enter",
        "runs_per_command": 12345,
        "rounds": 10,
        "quantities": [
            quantity("elapsed", 8.578e6, -0.8176e6),
            quantity("cpu", 2.5e9, 0.126e9),
            quantity("metric", 614.0, -183.0),
        ],
    }
    refused = {**asked, "status": "refused", "reason": "EPERM", "remedy": None}
    stream = io.StringIO()
    record = {"command": ["a", "b c"], "unit": "ns", "cases": [measured, refused]}
    print_command(record, console_on(stream))
    lines = stream.getvalue().splitlines()
    assert lines[0] == "a 'b c'"
    table = [line for line in lines[1:] if "…" in line]
    assert all(len(line.rstrip()) <= 80 for line in table)
    assert [line.split()[-1] for line in table] == ["-9.5%", "+5.0%", "-29.8%"]
    assert "8.578 ms" in table[0]
    assert "2.5 s" in table[1]
    assert "ran 12,345 times while the command ran once" in stream.getvalue()
    assert lines[-1] == "raw_tracepoint/complex: refused: EPERM"
