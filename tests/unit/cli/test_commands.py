"""The command as a whole: exit statuses, one line an error, never a traceback."""

from __future__ import annotations

import ast
import shlex
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner
from processes import environment, run_command

from ebpf_overhead import __version__, cli
from ebpf_overhead.errors import (
    BadUseError,
    ExitStatus,
    FailedError,
    MissingToolError,
    RefusedError,
    UnsupportedError,
)
from ebpf_overhead.studies import registry

COMMANDS = ["measure", "doctor", "report"]


@pytest.fixture
def run_failing(monkeypatch):
    """Run a subcommand that ends in this exception; the result of the whole command."""

    def run_failing(error: BaseException):
        @click.command()
        def failing() -> None:
            raise error

        monkeypatch.setattr(type(cli.main), "get_command", lambda *_: failing)
        return CliRunner().invoke(cli.main, ["measure"])

    return run_failing


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (FailedError, 1),
        (BadUseError, 2),
        (UnsupportedError, 3),
        (RefusedError, 3),
        (MissingToolError, 3),
    ],
)
def test_error_is_one_line_and_a_status(run_failing, kind, status):
    result = run_failing(kind("kernel says EPERM", "run as root"))
    assert result.exit_code == status
    assert result.stderr == "ebpf-overhead: kernel says EPERM; run as root\n"
    assert result.stdout == ""


def test_error_without_a_remedy(run_failing):
    assert run_failing(FailedError("odd")).stderr == "ebpf-overhead: odd\n"


def test_interruption(run_failing):
    result = run_failing(KeyboardInterrupt())
    assert result.exit_code == ExitStatus.INTERRUPTED == 130
    assert result.stderr == "ebpf-overhead: interrupted; nothing is left attached\n"


def test_reader_that_went_away_is_no_error():
    code = (
        "from ebpf_overhead import cli;"
        "from ebpf_overhead.cli import report;"
        "record = {'cases': [], 'machine': {'kernel': {'release': ''}}};"
        "report.latest_record = lambda *_, **__: record;"
        "report.revisions_are_kernels = lambda config: False;"
        "report._FORMATS['markdown'] = lambda record: 'x' * (1 << 20);"
        f"cli.main(['report', '--config', {__file__!r}, '--format', 'markdown'])"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    writer.stdout.read(1)
    writer.stdout.close()
    assert writer.wait(timeout=60) == ExitStatus.MEASURED
    assert writer.stderr is not None
    assert writer.stderr.read() == ""
    writer.stderr.close()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsense"], "no command is called 'nonsense'"),
        (["mesure"], "no command is called 'mesure'; did you mean measure?"),
        (["--nonsense"], "No such option"),
        (["measure", "--attach", "x"], "no attach type is called 'x'"),
        (["measure", "--attach", "fentri"], "did you mean fentry"),
        (["measure", "--program", "x"], "no program is called 'x'"),
        (["measure", "--precision", "7"], "'7' is not like 1%, 0.5ns or 1%,1ns"),
        (["measure", "--precision", "0%"], "'0%' is not like"),
        (["measure", "--time", "0"], "'0' is not like 10s, 500ms or 2m"),
        (["measure", "--cpu", "-1"], "-1 is not in the range"),
        (
            ["measure", "--format", "xml"],
            "no format is called 'xml'; choose table, markdown, csv, json, gobench or openmetrics",
        ),
        (["measure", "-o", "/"], "'/' is a directory"),
        (["measure", "left over"], "unexpected extra argument (left over)"),
        (["report", "--config", "/nowhere/asv.conf.json"], "is no file here"),
    ],
)
def test_wrong_arguments_are_bad_use(arguments, words):
    run = CliRunner().invoke(cli.main, arguments, prog_name="ebpf-overhead")
    assert run.exit_code == ExitStatus.BAD_USE
    (line,) = run.stderr.splitlines()
    assert words in line.replace("No such option:", "No such option")
    assert run.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--cpu", "4095"], "CPU 4095 is not available; choose of ["),
        (["-o", "/nowhere/result.json"], "/nowhere is not a directory; create it first"),
    ],
)
def test_bad_use_that_the_machine_decides_is_one_line(arguments, words):
    run = run_command("measure", *arguments)
    assert run.returncode == ExitStatus.BAD_USE
    (line,) = run.stderr.splitlines()
    assert line.startswith(f"ebpf-overhead: {words}")
    assert run.stdout == ""


def test_no_command_shows_the_help_with_the_exit_statuses():
    run = CliRunner().invoke(cli.main, [])
    assert run.exit_code == ExitStatus.BAD_USE
    flowing = " ".join(run.output.split())
    assert (
        "Exit status: 0 measured, 1 a case failed, 2 bad use, 3 nothing here can be measured,"
        " 4 not finished (something else measures, disk, memory, descriptors, or a fault of this"
        " program), 130 interrupted."
    ) in flowing
    for name in COMMANDS:
        assert f" {name} {cli._COMMANDS[name][1]}" in flowing


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_of_each_command_has_an_example_and_fits(name, option):
    run = CliRunner().invoke(cli.main, [name, option])
    assert run.exit_code == 0
    lines = run.output.splitlines()
    examples = lines[lines.index("  Examples:") + 1 :]
    assert examples[0].startswith(f"    ebpf-overhead {name}")
    # Examples stand as they are written, to be copied; all other lines are wrapped.
    wrapped = [line for line in lines if not line.startswith("    ebpf-overhead ")]
    assert max(map(len, wrapped)) <= 80


def test_examples_of_measure_are_valid_commands(monkeypatch):
    from ebpf_overhead.cli.measure import _EXAMPLES, command

    examples = _EXAMPLES.splitlines()
    lines = [shlex.split(line) for line in examples if "ebpf-overhead measure" in line]
    assert len(lines) >= 4
    for _, _, *arguments in lines:
        if ">" in arguments:
            arguments = arguments[: arguments.index(">")]
        command.make_context("measure", arguments)


def test_version():
    run = CliRunner().invoke(cli.main, ["--version"], prog_name="ebpf-overhead")
    assert (run.exit_code, run.output) == (0, f"ebpf-overhead, version {__version__}\n")


def test_picture_is_no_place_for_the_tables(tmp_path):
    path = tmp_path / "kernels.svg"
    run = CliRunner().invoke(cli.main, ["history", "-o", str(path)])
    assert run.exit_code == ExitStatus.BAD_USE
    assert run.stderr == "ebpf-overhead: -o is for the tables; draw with --plot FILE\n"
    assert not path.exists()


@pytest.mark.parametrize("words", [("estimate",), ("funclatency", "vfs_read"), ("top",)])
def test_older_name_of_the_format_for_people(words):
    run = CliRunner().invoke(cli.main, [*words, "--format", "text", "--json"])
    assert run.exit_code == ExitStatus.BAD_USE
    assert "--json and --format table were given; choose one" in run.stderr


HEAVY = {"numpy", "rich", "asv", "msgspec"}


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        (["--help"], set()),
        (["--version"], set()),
        (["measur"], set()),
        (["kernels", "--help"], {"rich", "msgspec"}),
        (["kernels", "list", "--help"], {"rich", "msgspec"}),
        (["guest", "run", "--help"], {"rich", "msgspec"}),
    ],
)
def test_command_imports_only_what_it_needs(words, allowed):
    code = (
        "import sys; from ebpf_overhead import cli\n"
        f"try: cli.main({words!r})\n"
        "except SystemExit: pass\n"
        f"print(sorted({HEAVY!r} & sys.modules.keys()))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert set(ast.literal_eval(run.stdout.splitlines()[-1])) <= allowed


def _measuring() -> list[tuple[str, ...]]:
    """The commands that take time for an answer about this machine."""
    elsewhere = {"decomposition", "explain"}
    studies = [("study", name) for name in registry.STUDIES if name not in elsewhere]
    return [("measure",), ("estimate",), ("funclatency",), ("impact",), ("profile",), *studies]


@pytest.mark.parametrize("words", _measuring(), ids=" ".join)
def test_whatever_measures_can_wait(words):
    assert "--wait" in CliRunner().invoke(cli.main, [*words, "--help"]).stdout
