"""Every command, ended by a signal at random moments: nothing of it is left, and no traceback.

``EBPF_OVERHEAD_KILLS=200`` is the number of moments (about 3 s each); by default there are few.
"""

from __future__ import annotations

import ctypes
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from processes import COMMAND, ROOT, environment

KILLS = int(os.environ.get("EBPF_OVERHEAD_KILLS") or 12)
# What is left may take as long as this to go; a guest's processes have promised 3 s.
PATIENCE_S = 20.0
PR_SET_CHILD_SUBREAPER = 36

# Each with the seconds within which it is ended: about as long as it takes by itself.
COMMANDS = (
    ("measure --attach tp_btf --attach uprobe", 3),
    ("measure --attach tp_btf --program complex --bystander --time 1s -o result", 3),
    ("measure --attach tp_btf --program empty --processes 2 --time 1s", 4),
    ("measure --attach tp_btf --program empty --workload-command true --time 2s", 4),
    ("study coattachment --attach tp_btf --programs 1 --time 1s", 3),
    ("study map-state --attach tp_btf --state warm_hit --entries 8 --time 1s", 3),
    ("study attach-latency --attach tp_btf --rounds 8", 3),
    ("study validation --attach tp_btf --time 1s", 5),
    ("study bpf-stats --attach tp_btf --time 1s", 3),
    ("study delivery --time 1s", 3),
    ("study scaling --attach tp_btf --time 1s", 4),
    ("study targets --attach tp_btf --time 1s", 4),
    ("selfcheck --attach tp_btf", 4),
    ("estimate syscall:openat -d 2s", 4),
    ("funclatency syscall:openat -d 2s", 4),
    ("top -d 1s", 3),
    ("impact --rounds 8 -- sleep 60", 4),
    ("profile --attach raw_tracepoint -d 1s", 5),
    ("doctor", 3),
    ("contribute -o sent.json", 4),
    ("workloads --count getpid", 2),
    ("history", 2),
    ("compare 6.12 7.3", 2),
    ("report --config asv.kernels.json --kernel 6.12", 2),
    ("kernels list", 1),
    ("kernels verify", 2),
    ("cache --clear objects", 1),
    ("schema", 1),
    ("plot targets nowhere.json -o figure.svg", 1),
    ("init --kernel 6.12 program.c", 2),
)
GUESTS = (
    ("measure --kernel 6.12 --attach tp_btf --program empty --time 1s", 20),
    ("guest run 6.12 -- sleep 100", 20),
    ("explain --kernel 6.12 --attach tp_btf --program empty", 20),
)
SETTINGS = (
    "net/core/bpf_jit_kallsyms",
    "kernel/bpf_stats_enabled",
    "kernel/kptr_restrict",
    "kernel/perf_event_paranoid",
)
SIGNALS = {signal.SIGKILL: (), signal.SIGTERM: (143,), signal.SIGINT: (130,)}


class Moment(NamedTuple):
    """One end of one command."""

    words: str
    number: signal.Signals
    after_s: float
    whole_group: bool


def moments(kills: int, seed: int) -> list[Moment]:
    """Return so many moments: each command in turn, within its time at random."""
    random_numbers = random.Random(seed)
    commands = [*COMMANDS, *(GUESTS if kills >= len(COMMANDS) else ())]
    random_numbers.shuffle(commands)
    chosen = []
    for index in range(kills):
        words, within_s = commands[index % len(commands)]
        number = random_numbers.choice(list(SIGNALS))
        # Ctrl-C in a terminal reaches the whole group.
        group = number == signal.SIGINT and random_numbers.random() < 0.5
        chosen.append(Moment(words, number, random_numbers.uniform(0, within_s), group))
    return chosen


@pytest.fixture
def adopting():
    """Children that outlive their parent become this process's, which can see them then."""
    prctl = ctypes.CDLL(None).prctl
    assert prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    yield
    prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def children() -> list[str]:
    """Return what runs below this process, and take notice of what has ended."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                break
        except ChildProcessError:
            break
    pids = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [_command_line(pid) for pid in pids]


def _command_line(pid: str) -> str:
    try:
        return Path("/proc", pid, "cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def settings() -> dict[str, str]:
    """Return what a command could leave changed."""
    paths = [Path("/proc/sys", name) for name in SETTINGS]
    return {str(path): path.read_text() for path in paths if path.exists()}


def not_started(traceback: str) -> bool:
    """Whether Python came no further than the first line of ours, which takes Ctrl-C over."""
    ours = [line for line in traceback.splitlines() if "/ebpf_overhead/" in line]
    return all("/cli/starting.py" in line or "/cli/__init__.py" in line for line in ours)


def until(none_left, what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while left := none_left():
        assert time.monotonic() < deadline, f"{what} left: {left}"
        time.sleep(0.05)


def end(moment: Moment, folder: Path) -> str:
    """Start a command, end it, and say how it ended: early, at once, or at its time."""
    temporary = folder / "temporary"
    temporary.mkdir()
    own = {"TMPDIR": str(temporary), "XDG_CACHE_HOME": str(folder.parent / "cache")}
    with open(folder / "said", "w+") as said:
        process = subprocess.Popen(
            [*COMMAND, *moment.words.split()],
            env=environment(**own),
            cwd=ROOT if "kernels.json" in moment.words else folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,
        )
        time.sleep(moment.after_s)
        early = process.poll() is not None
        if not early:
            (os.killpg if moment.whole_group else os.kill)(process.pid, moment.number)
        status = process.wait(timeout=60)
        said.seek(0)
        text = said.read()
    if moment.number == signal.SIGINT and "Traceback" in text and not_started(text):
        return "early"
    assert "Traceback" not in text, text
    assert "Exception ignored" not in text, text
    if early:
        return "early"
    expected = (-moment.number, *SIGNALS[moment.number])
    assert status in (*expected, 0, 1, 2, 3), (status, text)
    if status in SIGNALS[moment.number]:
        line = text.splitlines()[-1]
        assert line.startswith("ebpf-overhead: "), text
        assert line.endswith("; nothing is left attached"), text
    until(lambda: list(temporary.iterdir()), "files")
    return "ended" if status in expected else "finished"


def test_nothing_is_left_whenever_a_command_is_ended(adopting, nothing_left, tmp_path, note):
    seed = random.SystemRandom().randrange(1 << 32)
    before, ends = settings(), []
    for index, moment in enumerate(moments(KILLS, seed)):
        folder = tmp_path / str(index)
        folder.mkdir()
        (folder / "program.c").write_text("int program(void *c) { return 0; }\n")
        try:
            ends.append(end(moment, folder))
            until(children, "processes")
            nothing_left()
            until(lambda: settings().items() - before.items(), "settings")
        except AssertionError as error:
            raise AssertionError(f"EBPF_OVERHEAD_KILLS={KILLS}, seed {seed}: {moment}") from error
    note(f"ended at {KILLS} random moments: {ends.count('ended')} while they ran; nothing left")
    # About two of three are still running at their moment; one of twelve is nearly certain.
    enough = ends.count("ended") > KILLS // 20
    assert enough, "ended at the wrong moments: the test shows nothing"
