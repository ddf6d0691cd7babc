"""Tools are started and ended, whatever they do; a process of its own sees to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from ebpf_overhead.errors import FailedError
from ebpf_overhead.tools.impact import minder
from ebpf_overhead.tools.impact import output as outputs
from ebpf_overhead.tools.impact.minder import descendants
from ebpf_overhead.tools.impact.starting import StartedTool, ToolLaunch

PATIENCE_S = 60.0
# The minder, with a tenth of its patience.
HASTY = """
import json, runpy, sys
main = runpy.run_path({path!r})["main"]
known = main.__globals__
known["_ENDING"] = tuple((number, patience_s / 10) for number, patience_s in known["_ENDING"])
known["_STOPPING_S"] /= 10
main(int(sys.argv[1]), *json.loads(sys.argv[2]))
"""


@pytest.fixture
def hasty(monkeypatch, tmp_path):
    """Tools that do not end by SIGINT need not be waited for so long."""
    script = tmp_path / "minder.py"
    script.write_text(HASTY.format(path=minder.__file__))
    monkeypatch.setattr(minder, "__file__", str(script))


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stream:
            return stream.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def until(condition) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def written(tool: StartedTool, wanted: int = 1) -> list[str]:
    """The lines that a tool has written, once they are so many."""
    until(lambda: len(tool.output.last_lines()) >= wanted)
    return tool.output.last_lines()


def test_tool_ends_by_sigint_as_by_ctrl_c():
    code = "trap 'echo interrupted; exit 7' INT; echo $$; while :; do sleep 0.01; done"
    with StartedTool(ToolLaunch(("sh", "-c", code))) as tool:
        pid = int(written(tool)[0])
        assert pid in tool.processes()
        assert not tool.has_ended
        tool.stop()
        assert tool.output.last_lines() == [str(pid), "interrupted"]
    assert not alive(pid)
    assert tool.left == []


@pytest.mark.parametrize("detached", ["", "setsid "])
def test_what_a_tool_has_started_ends_with_it(hasty, detached):
    code = f"{detached}sh -c 'echo $$; exec sleep 1000' & wait; sleep 1000"
    with StartedTool(ToolLaunch(("sh", "-c", code))) as tool:
        pid = int(written(tool)[0])
        assert pid in tool.processes()
    assert not alive(pid)


def test_daemon_is_still_the_tool(hasty):
    code = "(setsid sh -c 'echo $$; exec sleep 1000' &) ; exit 0"
    with StartedTool(ToolLaunch(("sh", "-c", code))) as tool:
        pid = int(written(tool)[0])
        until(lambda: tool.look() or tool.status == 0)
        assert not tool.has_ended
        assert tool.processes() == {pid}
    assert not alive(pid)


def test_several_tools_are_started_and_ended_together():
    code = "echo $$; exec sleep 1000"
    with StartedTool(ToolLaunch(("sh", "-c", code), beside=(("sh", "-c", code),))) as tool:
        pids = set(map(int, written(tool, 2)))
        assert pids <= tool.processes()
    assert not any(map(alive, pids))


def test_one_of_several_tools_that_fails_is_noticed():
    fails, lasts = ("sh", "-c", "exit 3"), ("sh", "-c", "exec sleep 1000")
    with StartedTool(ToolLaunch(lasts, beside=(fails,))) as tool:
        until(lambda: tool.look() or tool.status is not None)
        assert tool.how_it_ended() == "status 3"
    with StartedTool(ToolLaunch(lasts, beside=(("sh", "-c", "exit 0"),))) as tool:
        until(lambda: len(tool.processes()) == 1)
        tool.look()
        assert tool.status is None


def test_tool_is_started_in_a_cgroup_of_its_own(tmp_path):
    home = tmp_path / "cgroup.procs"
    home.touch()
    with StartedTool(ToolLaunch(("sh", "-c", "exec sleep 1000"), home=str(tmp_path))):
        until(lambda: home.read_text() == "0")


def test_tool_that_obeys_nothing_is_killed(hasty):
    code = "trap '' INT TERM; echo $$; while :; do sleep 1000; done"
    with StartedTool(ToolLaunch(("sh", "-c", code))) as tool:
        pid = int(written(tool)[0])
    assert tool.left == []
    assert not alive(pid)


def test_tool_dies_with_its_minder():
    with StartedTool(ToolLaunch(("sh", "-c", "echo $$; exec sleep 1000"))) as tool:
        pid = int(written(tool)[0])
        tool._minder.kill()
        until(lambda: not alive(pid))


def test_tool_that_ends_is_noticed():
    with StartedTool(ToolLaunch(("sh", "-c", "echo nothing to do; exit 3"))) as tool:
        until(lambda: tool.look() or tool.has_ended)
        assert tool.how_it_ended() == "status 3"
        error = tool.why("it ended", "give it some work")
    assert str(error) == "it ended; its last lines: nothing to do; give it some work"


def test_tool_that_is_killed_is_noticed():
    with StartedTool(ToolLaunch(("sh", "-c", "kill -KILL $$"))) as tool:
        until(lambda: tool.look() or tool.has_ended)
        assert tool.how_it_ended() == f"signal {int(signal.SIGKILL)}"


@pytest.mark.parametrize(("word", "why"), [("/nope", "No such file"), ("/", "Permission denied")])
def test_tool_that_cannot_be_started(word, why):
    def look() -> bool:
        tool.look()
        return False

    with StartedTool(ToolLaunch((word,))) as tool, pytest.raises(FailedError, match=why):
        until(look)


def test_tool_gets_our_environment_and_no_shell(monkeypatch):
    monkeypatch.setenv("A_WORD", "two words")
    code = "import os, sys; print(os.environ['A_WORD'], sys.argv[1:], sys.stdin.read())"
    with StartedTool(ToolLaunch((sys.executable, "-c", code, "$HOME", "a b"))) as tool:
        assert written(tool) == ["two words ['$HOME', 'a b']"]


def test_output_is_bounded_and_its_end_is_kept(monkeypatch):
    monkeypatch.setattr(outputs, "_LIMIT_BYTES", 1 << 14)
    with outputs.BoundedOutput() as output:
        for number in range(10_000):
            os.write(output.fd, f"line {number}\n".encode())
            output.bound()
        assert os.fstat(output.fd).st_size <= (1 << 14) + 20
        assert output.last_lines() == [f"line {number}" for number in range(9_995, 10_000)]


def test_lines_are_seen_once_and_whole():
    with outputs.BoundedOutput() as output:
        os.write(output.fd, b"one\ntw")
        assert output.new_lines() == ["one"]
        assert output.new_lines() == []
        os.write(output.fd, b"o\nthree\n")
        assert output.new_lines() == ["two", "three"]


def test_service_is_started_and_stopped_by_commands(tmp_path):
    place = tmp_path / "state"
    start, stop = (("sh", "-c", f"echo {word} > {place}") for word in ("started", "stopped"))
    with StartedTool(ToolLaunch(start, stop)) as tool:
        until(lambda: tool.look() or tool.status == 0)
        assert place.read_text() == "started\n"
        assert not tool.has_ended
        assert tool.processes() == set()
    assert place.read_text() == "stopped\n"


@pytest.mark.parametrize(
    ("stop", "words"),
    [
        (("true",), None),
        (("sh", "-c", "echo not found; exit 5"), "ended with status 5"),
        (("sh", "-c", "kill -KILL $$"), "ended with signal 9"),
        (("/nope",), "cannot be started: No such file or directory"),
        (("sleep", "1000"), "ended with signal 2"),
    ],
)
def test_how_stopping_a_service_failed_is_known(hasty, stop, words):
    with StartedTool(ToolLaunch(("true",), stop)) as tool:
        until(lambda: tool.look() or tool.status == 0)
        tool.stop()
        assert tool.not_stopped == words


def test_service_is_never_ended_otherwise(tmp_path):
    code = "(setsid sh -c 'echo $$; exec sleep 1000' &)"
    with StartedTool(ToolLaunch(("sh", "-c", code), ("true",))) as tool:
        pid = int(written(tool)[0])
    try:
        assert alive(pid)
    finally:
        os.kill(pid, signal.SIGKILL)


def test_descendants_are_those_of_all_generations():
    code = "echo $$; sh -c 'echo $$; sleep 1000; :'; :"
    with subprocess.Popen(
        ["sh", "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        first, second = (int(process.stdout.readline()) for _ in range(2))
        assert descendants(first) >= {second}
        assert first in descendants(os.getpid())
        os.killpg(process.pid, signal.SIGKILL)
