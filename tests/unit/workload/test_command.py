"""Commands of the user's: what a run takes, what it printed, and how it may fail."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from processes import open_descriptors, start_python

from ebpf_overhead.errors import BadUseError, FailedError
from ebpf_overhead.workload import command
from ebpf_overhead.workload.command import UserCommand

PYTHON = sys.executable


def until(true: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def python(code: str, **given: object) -> UserCommand:
    return UserCommand((PYTHON, "-I", "-S", "-c", code), **given)


def test_words_are_split_as_a_shell_does_and_not_given_to_one():
    made = UserCommand.of("echo 'two words' $HOME; true")
    assert made.arguments == ("echo", "two words", "$HOME;", "true")
    assert str(made) == "echo 'two words' '$HOME;' true"


@pytest.mark.parametrize(
    ("line", "metric", "words"),
    [
        ("", None, "has no words"),
        ("a 'b", None, "No closing quotation"),
        ("a", "(", r"with --metric '\(' is not understood"),
        ("/no/such/program", None, "cannot be run: No such file or directory"),
        ("/", None, "cannot be run: Permission denied"),
        ("a\0b", None, "cannot be run: embedded null byte"),
    ],
)
def test_what_is_no_command_is_bad_use(line, metric, words):
    with pytest.raises(BadUseError, match=words):
        UserCommand.of(line, metric).run()


def test_cpu_time_is_its_own_and_that_of_its_children():
    code = (
        "import os, time\nif os.fork(): os.wait()\nelse:\n  while time.process_time() < 0.05: pass"
    )
    run = python(code).run()
    assert run.cpu_ns >= 50_000_000
    assert run.elapsed_ns >= 50_000_000
    assert (run.victim_ns, run.metric) == (None, None)


def test_cpu_time_is_not_the_time_that_it_waits():
    run = python("import time; time.sleep(0.5)").run()
    assert run.elapsed_ns >= 500_000_000 > run.cpu_ns


@pytest.mark.parametrize(
    ("printed", "metric", "number"),
    [
        ("1 op/s\n2.5 op/s\n", r"([\d.]+) op/s", 2.5),
        ("12,345\n", r"\d[\d,]*", 12345.0),
        ("took 1e3", r"took (\S+)", 1000.0),
    ],
)
def test_number_is_that_of_the_last_match(printed, metric, number):
    assert python(f"print({printed!r})", metric=metric).run().metric == number
    code = f"import sys; print({printed!r}, file=sys.stderr)"
    assert python(code, metric=metric).run().metric == number


@pytest.mark.parametrize(
    ("printed", "what"),
    [
        ("no", "nothing"),
        ("x=fast", "'fast', which is no number"),
        ("x=nan", "'nan', which is no number"),
        ("x=-inf", "'-inf', which is no number"),
        ("x=1e999", "'1e999', which is no number"),
        ("", "nothing"),
    ],
)
def test_output_without_the_number_is_shown(printed, what):
    with pytest.raises(FailedError, match=f"printed {what} for") as error:
        python(f"print({printed!r})", metric="x=(.*)").run()
    assert str(error.value).count("\n") == 0
    assert printed in str(error.value)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (
            "print('first'); print('the reason'); raise SystemExit(3)",
            "ended with status 3: the reason; it must",
        ),
        ("import os; os.kill(os.getpid(), 9)", "was ended by SIGKILL; it must"),
    ],
)
def test_command_that_fails_is_one_line(code, words):
    with pytest.raises(FailedError, match=words) as error:
        python(code).run()
    assert "\n" not in str(error.value)


def test_output_without_end_takes_no_memory(monkeypatch):
    monkeypatch.setattr(command, "_KEPT_BYTES", 100)
    code = "import sys\nfor i in range(20000): print('x' * 99)\nprint('n=7')"
    assert python(code, metric=r"n=(\d+)").run().metric == 7


@pytest.mark.parametrize("leave", ["", "os.setsid(); "])
def test_what_a_command_leaves_running_is_named_and_ended(leave):
    """Its work would be in no number, and would disturb the runs after it."""
    code = f"import os, time\nif not os.fork(): {leave}time.sleep(60)"
    started = time.monotonic()
    with pytest.raises(FailedError, match=r"still ran: python\S* \((\d+)\); have it wait") as error:
        python(code).run()
    assert time.monotonic() - started < 50
    left = int(str(error.value).partition(" (")[2].partition(")")[0])
    assert not Path(f"/proc/{left}").exists()


def test_what_ends_with_a_command_is_waited_for_and_counted():
    code = (
        "import os, time\n"
        "if not os.fork():\n"
        "  while time.process_time() < 0.05: pass\n"
        "  os._exit(0)"
    )
    assert python(code).run().cpu_ns >= 50_000_000


MEASURING = """
import sys
from ebpf_overhead.closing import Afterwards
from ebpf_overhead.workload import command

class Told(Afterwards):
    def tell(self, line):
        super().tell(line)
        print("told", flush=True)

command.Afterwards = Told
words = ("sh", "-c", "sleep 60 & echo $! > $0; wait", sys.argv[1])
with command.UserCommand(words).ending_runs() as running:
    running.run()
"""


def test_run_ends_with_the_process_that_is_killed(tmp_path):
    """All its processes: the kernel would end the first one at most."""
    told = tmp_path / "told"
    with start_python(MEASURING, str(told)) as measuring:
        assert measuring.stdout.readline() == "told\n"
        until(lambda: told.exists() and told.read_text().endswith("\n"))
        measuring.kill()
    until(lambda: not Path(f"/proc/{told.read_text().strip()}").exists())


def test_nothing_is_left_of_a_run_that_is_interrupted(monkeypatch):
    seen: list[subprocess.Popen[bytes]] = []

    def interrupt(child):
        seen.append(child)
        raise KeyboardInterrupt

    before = open_descriptors()
    monkeypatch.setattr(command, "_wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        python("import time; time.sleep(60)").run()
    assert seen[0].returncode == -9
    del seen[:]
    assert open_descriptors() == before


def test_affinity_of_a_run_is_not_that_of_what_measures():
    allowed = os.sched_getaffinity(0)
    cpu = max(allowed)
    code = "import os; print(*os.sched_getaffinity(0))"
    assert python(code, metric=r"^(\d+)\s*$", cpu=cpu).run().metric == cpu
    assert os.sched_getaffinity(0) == allowed


def test_victim_is_another_process():
    """That answers each line with so much work."""
    code = (
        "import sys, time\n"
        "for line in sys.stdin:\n"
        "  end = time.process_time() + 0.1\n"
        "  while time.process_time() < end: pass\n"
        "  print(flush=True)"
    )
    with subprocess.Popen(
        [PYTHON, "-I", "-S", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        feed = (
            f"import os\nwith open('/proc/{server.pid}/fd/0', 'w') as f: f.write('\\n')\n"
            f"with open('/proc/{os.getpid()}/fd/{server.stdout.fileno()}') as f: f.readline()"
        )
        run = python(feed, victims=(server.pid,)).run()
        server.stdin.close()
    assert run.victim_ns is not None
    assert run.victim_ns >= 100_000_000
    with pytest.raises(FailedError, match=f"process {server.pid} cannot be read"):
        python("", victims=(server.pid,)).run()


def test_victim_that_only_waits_to_be_reaped_has_ended():
    """Its CPU clock stands still, and can be read."""
    with subprocess.Popen([PYTHON, "-I", "-S", "-c", ""], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        server.stdout.read()
        os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(FailedError, match=f"process {server.pid} has ended; name a process"):
            python("", victims=(server.pid,)).run()


def test_victim_counts_once_and_is_somebody_else():
    assert UserCommand.of("a", victims=(7, 7, 1)).victims == (7, 1)
    with pytest.raises(BadUseError, match=f"process {os.getpid()} is this one; name a server"):
        UserCommand.of("a", victims=(os.getpid(),))
