"""Kernels that lack something or forbid it, and machines in trouble: what is said, and measured.

One guest has them all, one after the other.
"""

from __future__ import annotations

import json
import os
import signal
import sys

import pytest

# Does what the first argument says, then measures; the clock jumps meanwhile where it is told so.
MEASURE = """
import sys
exec(sys.argv.pop(1))
from ebpf_overhead.cli import main
main(["measure", "--json", "--time=0.05", "--program=empty", *sys.argv[1:]], "ebpf-overhead")
"""
# With 10,000 it takes four minutes.
KPROBES_BEFORE = int(os.environ.get("EBPF_OVERHEAD_TEST_KPROBES", "1000"))
JIT = "/proc/sys/net/core/bpf_jit_enable"
CLOCK_JUMPS = """
import os, time
if os.fork() == 0:
    os.nice(10)
    for number in range(2000):
        time.clock_settime(time.CLOCK_REALTIME, time.time() + (-3600 if number % 2 else 7200))
        time.sleep(0.001)
    os._exit(0)
"""
OUT_OF_MEMORY = """
import os
from pathlib import Path
from ebpf_overhead.hooks import probe
from ebpf_overhead.hooks.cases import select
group = Path("/sys/fs/cgroup/small")
(group / "memory.max").write_text("16M")
with probe.load(select(["kprobe"], ["complex"])[0]) as attached:
    attached.attach()
    print("attached", flush=True)
    (group / "cgroup.procs").write_text(str(os.getpid()))
    b"x" * (1 << 28)
"""
# Functions that take none, or are there twice, are left out.
KPROBES = """
import os, sys
from ebpf_overhead.bpf import pseudofs
names = {}
for line in open("/proc/kallsyms"):
    _, kind, name, *module = line.split()
    if kind in "tT" and not module and name.replace("_", "").isalnum():
        names[name] = names.get(name, 0) + 1
made = 0
events = os.open("/sys/kernel/tracing/kprobe_events", os.O_WRONLY | os.O_APPEND)
for name in (name for name, times in names.items() if times == 1):
    try:
        os.write(events, f"p:many/p{made} {name}\\n".encode())
    except OSError:
        continue
    made += 1
    if made == int(sys.argv[1]):
        break
print(len(pseudofs.read_text("debugfs", "kprobes/list").splitlines()))
"""
LOADED = """
from ebpf_overhead.bpf import objects, pseudofs
print([each.name for each in objects.programs().values()])
lines = pseudofs.read_text("debugfs", "kprobes/list").splitlines()
print([line for line in lines if "getpid" in line])
"""


def shell(guest, script: str) -> str:
    done = guest.run(["sh", "-ec", script])
    assert done.exit_status == 0, done.stderr
    return done.stdout


def python(guest, code: str, *arguments: str, **options):
    return guest.run([sys.executable, "-c", code, *arguments], **options)


def measured(guest, *attach: str, first: str = "", **options) -> dict[str, dict]:
    words = [f"--attach={name}" for name in attach]
    done = python(guest, MEASURE, first, *words, **options)
    assert done.stdout, done.stderr
    return {case["attach"]: case for case in json.loads(done.stdout)["cases"]}


def overhead(case: dict) -> float:
    assert case["status"] == "measured", case["reason"]
    return case["overhead"]["estimate"]


@pytest.fixture(scope="module")
def usual(shared_guest):
    """What the same costs when nothing is odd."""
    return measured(shared_guest, "kprobe", "tp_btf", "tracepoint")


def test_without_jit_programs_are_interpreted(guest, usual):
    shell(guest, f"echo 0 > {JIT}")
    try:
        found = measured(guest, "kprobe", "tp_btf")
    finally:
        shell(guest, f"echo 1 > {JIT}")
    for name, case in found.items():
        assert overhead(case) > overhead(usual[name]) + 20


def test_clock_that_jumps_changes_nothing(guest, usual):
    """Windows are timed by a clock that nobody sets."""
    found = measured(guest, "tp_btf", first=CLOCK_JUMPS)
    assert overhead(found["tp_btf"]) == pytest.approx(overhead(usual["tp_btf"]), rel=0.02)


def test_without_btf_the_rest_is_measured(guest, usual):
    shell(guest, "mount -t tmpfs none /sys/kernel/btf")
    try:
        found = measured(guest, "kprobe", "tp_btf", "fentry")
    finally:
        shell(guest, "umount /sys/kernel/btf")
    assert overhead(found["kprobe"]) == pytest.approx(overhead(usual["kprobe"]), rel=0.01)
    for name in ("tp_btf", "fentry"):
        assert found[name]["status"] == "unsupported"
        assert found[name]["reason"].startswith("/sys/kernel/btf/vmlinux absent")


def test_read_only_tracefs_is_enough(guest, usual):
    shell(guest, "mount -o remount,ro /sys/kernel/tracing; mount -o remount,ro /sys")
    try:
        found = measured(guest, "kprobe", "tracepoint")
    finally:
        shell(guest, "mount -o remount,rw /sys; mount -o remount,rw /sys/kernel/tracing")
    for name, case in found.items():
        assert overhead(case) == pytest.approx(overhead(usual[name]), rel=0.01)


@pytest.mark.parametrize("value", [0, 2])
def test_unprivileged_bpf_makes_no_difference_to_a_user(guest, value):
    before = shell(guest, "cat /proc/sys/kernel/unprivileged_bpf_disabled")
    shell(guest, f"echo {value} > /proc/sys/kernel/unprivileged_bpf_disabled")
    done = python(guest, MEASURE, "import os; os.setuid(65534)", "--attach=tp_btf")
    shell(guest, f"echo {before.strip()} > /proc/sys/kernel/unprivileged_bpf_disabled")
    assert (done.exit_status, done.stdout) == (3, "")
    (line,) = done.stderr.splitlines()
    assert "CAP_BPF and CAP_PERFMON missing; run as root" in line


def test_out_of_memory_kills_and_nothing_stays_attached(guest):
    shell(
        guest,
        "mkdir -p /tmp/cgroup; mount -t cgroup2 none /tmp/cgroup;"
        "echo +memory > /tmp/cgroup/cgroup.subtree_control; mkdir /tmp/cgroup/small",
    )
    done = python(guest, OUT_OF_MEMORY.replace("/sys/fs/cgroup", "/tmp/cgroup"))
    assert (done.exit_status, done.stdout) == (-signal.SIGKILL, "attached\n"), done.stderr
    assert python(guest, LOADED).stdout == "[]\n[]\n"


def test_guest_whose_memory_is_full_goes_on(guest):
    done = python(guest, "import os; os.urandom(1 << 31)")
    assert done.exit_status in (-signal.SIGKILL, 1)
    assert guest.run(["echo", "alive"]).stdout == "alive\n"


def test_kprobes_that_were_there_before(guest, usual):
    """One at our place makes ours more expensive; so do others, where they came after it."""
    events = "/sys/kernel/tracing/kprobe_events"
    shell(guest, f"echo p:first __x64_sys_getpid >> {events}")
    try:
        beside_one = measured(guest, *usual)
        made = python(guest, KPROBES, str(KPROBES_BEFORE))
        assert made.exit_status == 0, made.stderr
        done = python(guest, MEASURE, "", *(f"--attach={name}" for name in usual))
    finally:
        shell(guest, f"echo > {events}")
    record = json.loads(done.stdout)
    assert record["machine"]["bpf"]["kprobes"] == int(made.stdout) == KPROBES_BEFORE + 1
    beside_many = {case["attach"]: case for case in record["cases"]}
    (hook,) = beside_one["kprobe"]["occupants"]
    assert hook["kind"] == "kprobe"
    assert hook["name"].endswith("(disabled)")
    for found in (beside_one, beside_many):
        for name in ("tp_btf", "tracepoint"):
            assert overhead(found[name]) == pytest.approx(overhead(usual[name]), rel=0.01)
    assert overhead(beside_one["kprobe"]) - overhead(usual["kprobe"]) > 20
    # Each list has a 64th of them, and going past one takes a few instructions.
    more = overhead(beside_many["kprobe"]) - overhead(beside_one["kprobe"])
    assert more > KPROBES_BEFORE / 64


def test_in_lockdown_all_but_kprobes_is_measured(guest, usual):
    """The last one of all: the kernel does not leave this mode."""
    shell(guest, "mount -t securityfs none /sys/kernel/security")
    shell(guest, "echo confidentiality > /sys/kernel/security/lockdown")
    found = measured(guest, "kprobe", "tp_btf", "tracepoint")
    for name in ("tp_btf", "tracepoint"):
        assert overhead(found[name]) == pytest.approx(overhead(usual[name]), rel=0.01)
    assert found["kprobe"]["status"] == "unsupported"
    assert "the kernel is in lockdown (confidentiality)" in found["kprobe"]["reason"]
