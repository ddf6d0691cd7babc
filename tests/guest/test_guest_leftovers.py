"""Kprobes of a measuring process that is killed, which the running kernel may not have."""

from __future__ import annotations

import json
import sys

# Measures through kprobes in a process of its own and kills it while one is attached.
KILL = """
import json, os, signal, sys, time
from pathlib import Path

TRACING, KPROBES = Path("/sys/kernel/tracing"), Path("/sys/kernel/debug/kprobes/list")

def state():
    events = {name: (TRACING / name).read_text() for name in ("kprobe_events", "dynamic_events")}
    on_getpid = [line for line in KPROBES.read_text().splitlines() if "sys_getpid" in line]
    return {"events": events, "kprobes": on_getpid}

before = attached = state()
for _ in range(20):  # a measurement ends when it is exact, which may be between two looks
    pid = os.fork()
    if pid == 0:
        from ebpf_overhead.cli import main
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        main(["measure", "--attach=kprobe", "--program=empty", "--program=complex"])
    ended = False
    while not attached["kprobes"] and not ended:
        time.sleep(0.05)  # one processor for both
        attached = state()
        ended = os.waitpid(pid, os.WNOHANG) != (0, 0)
    if not ended:
        break
    attached = before
os.kill(pid, signal.SIGKILL)
os.waitpid(pid, 0)
for _ in range(100):  # the kernel takes a kprobe off after a grace period
    after = state()
    if not after["kprobes"]:
        break
    time.sleep(0.1)
print(json.dumps([before, attached, after]))
"""


def test_kprobe_of_a_killed_measure_leaves_nothing(guest):
    done = guest.run([sys.executable, "-c", KILL], timeout=300)
    assert done.exit_status == 0, done.stderr
    before, attached, after = json.loads(done.stdout)
    assert len(attached["kprobes"]) == 1, done.stderr
    nothing = {"events": {"kprobe_events": "", "dynamic_events": ""}, "kprobes": []}
    assert attached["events"] == nothing["events"], "a kprobe of tracefs outlives its process"
    assert before == after == nothing
