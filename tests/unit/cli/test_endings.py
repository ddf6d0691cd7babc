"""Each way in which a command ends before its time: one line, a status, and the rows first."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import signal
import stat
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from processes import ROOT, environment, holding_lock

from ebpf_overhead.cli import endings
from ebpf_overhead.errors import ExitStatus
from ebpf_overhead.studies.registry import schema

MADE_UP = "import made_up; made_up.main()"
# Two rows of them are finished before the third ends it.
MEASURE = ("measure", "--attach", "tp_btf")


def start(*arguments: str, preexec=None, code: str = MADE_UP, **settings):
    """Start the command on results that are made up."""
    extra = settings.pop("env", {})
    path = os.pathsep.join([str(ROOT / "tests"), str(ROOT)])
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env=environment(PYTHONPATH=path, **extra),
        preexec_fn=preexec,
        text=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **settings},
    )


def run(*arguments: str, **settings):
    """Run it: its status, what it printed, and what it said, without what is made up."""
    with start(*arguments, **settings) as process:
        output, said = process.communicate(timeout=60)
    lines = [line for line in said.splitlines() if line not in ("row", "detached", "waiting")]
    return process.returncode, output, lines


def test_without_trouble_it_says_nothing():
    status, output, said = run(*MEASURE)
    assert (status, said) == (0, [])
    assert output.count("tp_btf *") == 3


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("ENOSPC", "No space left on device; free some space"),
        ("EROFS", "Read-only file system; choose a place that can be written to"),
        ("EMFILE", "Too many open files; only "),
        ("EPIPE", "Broken pipe"),
        ("ENOMEM", "Cannot allocate memory"),
        ("MemoryError", "out of memory; free some"),
        ("RecursionError", "nested too deeply"),
        ("UnicodeError", "text is not valid: 'utf-8' codec can't decode byte 0xff"),
        ("IndexError", "unexpected IndexError"),
    ],
)
def test_what_is_finished_is_printed_before_the_error(how, words):
    status, output, said = run(*MEASURE, env={"ENDS_BY": how})
    assert status == ExitStatus.NOT_FINISHED == 4
    (line,) = said
    assert line.startswith("ebpf-overhead: ")
    assert words in line
    assert output.count("tp_btf *") == 2


def test_record_says_that_it_was_cut_short():
    _, output, _ = run(*MEASURE, "--json", env={"ENDS_BY": "ENOSPC"})
    record = json.loads(output)
    jsonschema.validate(record, schema())
    assert len(record["cases"]) == 2
    assert "No space left on device" in record["cut_short"]


def test_an_error_of_ours_names_its_place_and_shows_more_when_asked():
    _, _, (line,) = run(*MEASURE, env={"ENDS_BY": "IndexError"})
    assert "(made_up.py:" in line
    assert "EBPF_OVERHEAD_DEBUG=1" in line
    _, _, said = run(*MEASURE, env={"ENDS_BY": "IndexError", "EBPF_OVERHEAD_DEBUG": "1"})
    assert said[0] == "Traceback (most recent call last):"
    assert said[-1] == line


@pytest.mark.parametrize(
    ("number", "status", "word"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "terminated"),
        (signal.SIGHUP, 129, "terminated"),
    ],
)
def test_a_signal_prints_the_finished_rows_after_everything_is_detached(number, status, word):
    with start(*MEASURE, env={"ENDS_BY": "waiting"}) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        before = [process.stderr.readline().strip() for _ in range(3)]
        process.send_signal(number)
        try:
            output, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert before == ["row", "row", "waiting"]
    assert process.returncode == status
    assert said.splitlines() == [
        "detached",
        f"ebpf-overhead: {word}; nothing is left attached",
    ]
    assert output.count("tp_btf *") == 2


def test_a_signal_before_the_first_row_prints_no_table():
    code = f"import made_up; made_up.BEFORE_THE_END = 0; {MADE_UP}"
    with start(*MEASURE, code=code, env={"ENDS_BY": "waiting"}) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert (process.returncode, output) == (130, "")


INTERRUPTED_WHILE_IMPORTED = """
import importlib.abc, os, signal, sys
class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "click":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
from ebpf_overhead.cli import main
"""


def test_a_signal_while_it_is_still_imported_ends_it_without_a_word():
    with start(code=INTERRUPTED_WHILE_IMPORTED) as process:
        assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == -signal.SIGINT, "which a shell shows as 130"


def test_import_leaves_the_handler_as_it_was():
    code = "import signal; import ebpf_overhead.cli; print(signal.getsignal(2).__name__)"
    with start(code=code) as process:
        assert process.communicate(timeout=60)[0] == "default_int_handler\n"


def test_nohup_keeps_it_running():
    ignore = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)  # noqa: E731
    with start(*MEASURE, env={"ENDS_BY": "waiting"}, preexec=ignore) as process:
        assert process.stderr is not None
        assert [process.stderr.readline() for _ in range(3)][-1] == "waiting\n"
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 143


@pytest.mark.parametrize("format_name", ["table", "json", "csv"])
def test_file_on_a_full_disk(format_name):
    status, output, (line,) = run(*MEASURE, "--format", format_name, "-o", "/dev/full")
    assert status == ExitStatus.NOT_FINISHED
    assert line == (
        "ebpf-overhead: /dev/full: No space left on device; free some space, or choose another"
        " place"
    )
    assert output.count("tp_btf") >= 3, "the result is printed instead"


def test_standard_output_on_a_full_disk():
    with open("/dev/full", "w") as full:
        status, _, said = run(*MEASURE, stdout=full)
    assert status == ExitStatus.NOT_FINISHED
    assert sum("tp_btf *" in line for line in said) == 3, "the result is on standard error"
    assert said[-1].startswith("ebpf-overhead: standard output: No space left on device")


def test_metrics_on_a_full_disk_come_after_the_tables(tmp_path):
    code = (
        "from ebpf_overhead.cli import files\nimport errno\n"
        "def full(path, text): raise OSError(errno.ENOSPC, 'No space left on device', '.partial')\n"
        f"files.write_atomically = full\n{MADE_UP}"
    )
    status, output, (line,) = run(*MEASURE, f"--openmetrics={tmp_path}/a.prom", code=code)
    assert status == ExitStatus.NOT_FINISHED
    assert line.startswith(f"ebpf-overhead: {tmp_path}/a.prom: No space left on device; ")
    assert output.count("tp_btf *") == 3


@pytest.mark.skipif(os.geteuid() != 0, reason="making a device needs root")
@pytest.mark.parametrize("linked", [False, True])
def test_device_is_written_to_and_never_replaced(tmp_path, linked):
    """Where the directory can be written, ``/dev/null`` would be a regular file from then on."""
    device = tmp_path / "full"
    os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 7))
    place = tmp_path / "link" if linked else device
    if linked:
        place.symlink_to(device)
    status, output, (line,) = run(*MEASURE, f"--openmetrics={place}")
    assert status == ExitStatus.NOT_FINISHED
    assert line.startswith(f"ebpf-overhead: {place}: No space left on device; ")
    assert output.count("tp_btf *") == 3
    assert stat.S_ISCHR(device.lstat().st_mode)
    assert place.is_symlink() == linked


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("measure", "--help")])
def test_help_on_a_full_disk(words):
    with open("/dev/full", "w") as full:
        status, _, (line,) = run(*words, stdout=full)
    assert status == ExitStatus.NOT_FINISHED
    assert "No space left on device" in line


@pytest.mark.parametrize(
    "place", ["/proc/result", "/sys/result", "/nowhere/result", "/dev/null/result"]
)
def test_place_that_cannot_be_written_is_found_before_measuring(place):
    with start(*MEASURE, "-o", place) as process:
        output, said = process.communicate(timeout=60)
    assert (process.returncode, output) == (ExitStatus.BAD_USE, "")
    (line,) = said.splitlines()  # no row was measured
    assert place.rpartition("/")[0] in line


@pytest.mark.parametrize("format_name", ["table", "json", "csv", "markdown"])
def test_reader_that_went_away_does_not_change_the_status(format_name):
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.close(reader)
    try:
        status, _, said = run(*MEASURE, "--format", format_name, stdout=writer)
    finally:
        os.close(writer)
    assert (status, said) == (ExitStatus.MEASURED, [])


def test_closed_standard_output_is_found_before_measuring():
    with start(*MEASURE, stdout=None, preexec=lambda: os.close(1)) as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == ExitStatus.BAD_USE
    assert said == "ebpf-overhead: standard output is closed; give -o FILE, or redirect it\n"


def test_closed_standard_output_does_not_matter_to_a_file(tmp_path):
    path = tmp_path / "result"
    status, _, said = run(
        *MEASURE, "-o", str(path), stdout=None, preexec=lambda: os.closerange(0, 2)
    )
    assert (status, said) == (0, [])
    assert path.read_text().count("tp_btf *") == 3
    assert path.read_text().startswith("empty"), "nobody else's output came into it"


def test_all_streams_closed():
    with start(*MEASURE, stdout=None, stderr=None, preexec=lambda: os.closerange(0, 3)) as process:
        assert process.wait(timeout=60) == ExitStatus.BAD_USE


@pytest.mark.parametrize("words", [MEASURE, (*MEASURE, "-o", "x")])
def test_current_directory_that_is_gone(words, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()

    def leave() -> None:
        os.chdir(gone)
        gone.rmdir()

    status, output, said = run(*words, preexec=leave)
    assert (status, output) == (ExitStatus.BAD_USE, "")
    assert said == [f"ebpf-overhead: {endings.NO_DIRECTORY}"]


def test_too_few_descriptors():
    few = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))  # noqa: E731
    status, output, (line,) = run(*MEASURE, preexec=few, env={"ENDS_BY": "descriptors"})
    assert status == ExitStatus.NOT_FINISHED
    assert line == (
        "ebpf-overhead: /dev/null: Too many open files; only 20 may be open: ulimit -n 1024"
    )
    assert output.count("tp_btf *") == 2


def test_text_that_the_terminal_cannot_show_is_escaped():
    status, output, said = run(*MEASURE, env={"PYTHONIOENCODING": "ascii"})
    assert (status, said) == (0, [])
    assert "\\u2026" in output  # the ellipsis between the bounds of an interval


def test_ending_has_one_line_whatever_the_message():
    line, status = endings.ending(OSError(28, "first\nsecond", "a\nb"))
    assert "\n" not in line
    assert status == ExitStatus.NOT_FINISHED


def test_every_error_of_the_kernel_has_a_line():
    for number in range(1, 134):
        line, status = endings.ending(OSError(number, os.strerror(number)))
        assert line.startswith("ebpf-overhead: ")
        assert status in (ExitStatus.NOT_FINISHED, ExitStatus.BAD_USE)


def test_new_file_is_removed_when_nothing_was_written(tmp_path):
    path = tmp_path / "result"
    with start(*MEASURE, "-o", str(path), "--cpu", "4095") as process:
        process.communicate(timeout=60)
    assert process.returncode == ExitStatus.BAD_USE
    assert not path.exists()


def test_earlier_result_stays_when_nothing_was_written(tmp_path):
    path = tmp_path / "result"
    path.write_text("earlier")
    with start(*MEASURE, "-o", str(path), "--cpu", "4095") as process:
        process.communicate(timeout=60)
    assert path.read_text() == "earlier"
    status, _, _ = run(*MEASURE, "-o", str(path))
    assert status == 0
    assert path.read_text().startswith("empty")
    assert "earlier" not in path.read_text()


def test_pipe_as_a_file_whose_reader_went_away(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with start(*MEASURE, "-o", str(fifo), env={"ENDS_BY": "waiting"}) as process:
        assert process.stderr is not None
        assert [process.stderr.readline() for _ in range(3)][-1] == "waiting\n"
        os.close(reader)
        process.send_signal(signal.SIGINT)
        output, said = process.communicate(timeout=60)
    assert process.returncode == ExitStatus.NOT_FINISHED
    assert "Broken pipe" in said
    assert output.count("tp_btf *") == 2, "the result is printed instead"
    assert Path(fifo).exists()


def test_something_else_measures(own_lock):
    with holding_lock(own_lock) as other:
        status, output, (line,) = run(*MEASURE)
    assert (status, output) == (ExitStatus.NOT_FINISHED, "")
    assert "another measurement runs on this machine: -c import fcntl" in line
    assert f"(process {other.pid} of " in line


def test_wait_until_nothing_else_measures(own_lock):
    with holding_lock(own_lock) as other, start(*MEASURE, "--wait") as waiting:
        line = waiting.stderr.readline()
        assert line.startswith("Waiting for ")
        assert f"process {other.pid} of " in line
        other.stdin.close()
        output, said = waiting.communicate(timeout=60)
    assert waiting.returncode == ExitStatus.MEASURED
    assert output.count("tp_btf *") == 3
    assert "Waiting" not in said


def test_interrupted_while_it_waits(own_lock):
    with holding_lock(own_lock), start(*MEASURE, "--wait") as waiting:
        assert waiting.stderr.readline().startswith("Waiting for ")
        waiting.send_signal(signal.SIGINT)
        output, said = waiting.communicate(timeout=60)
    assert (waiting.returncode, output) == (ExitStatus.INTERRUPTED, "")
    assert "interrupted" in said.splitlines()[-1]
