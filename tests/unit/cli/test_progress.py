"""Progress of work: a bar on a terminal, lines alone elsewhere."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

from processes import environment

WORK = """
from ebpf_overhead.cli.progress import showing_work
with showing_work() as work:
    work.say("Counting [vfs_read]; Ctrl-C ends it")
    work.done(0.5)
    work.say("Measuring what kprobe costs here")
    work.done(1.0)
print("answer")
"""
LINES = ["Counting [vfs_read]; Ctrl-C ends it", "Measuring what kprobe costs here"]


def test_lines_alone_where_there_is_no_terminal():
    run = subprocess.run(
        [sys.executable, "-c", WORK], env=environment(), capture_output=True, text=True, timeout=60
    )
    assert run.stderr.splitlines() == LINES
    assert run.stdout == "answer\n"


def test_bar_under_each_line_on_a_terminal():
    reader, writer = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", WORK],
        env=environment(TERM="xterm", COLUMNS="80"),
        stdout=subprocess.PIPE,
        stderr=writer,
        text=True,
    ) as process:
        os.close(writer)
        shown = b""
        try:
            while chunk := os.read(reader, 65536):
                shown += chunk
        except OSError:  # the other side was closed
            pass
        os.close(reader)
        assert process.stdout.read() == "answer\n"  # nothing of the progress in the result
    text = shown.decode()
    positions = [text.index(line) for line in LINES]
    assert positions == sorted(positions)
    assert "━" in text[positions[0] : positions[1]]
