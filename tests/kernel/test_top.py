"""``top`` on the running kernel: bpftool's counters, every hook found, statistics off again."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import time
import urllib.request

import leftovers
import pytest
from pictures import FakeCosts
from processes import run_command, start_command

from ebpf_overhead.bpf import _syscalls, btf, pseudofs, syscall
from ebpf_overhead.bpf.objects import programs
from ebpf_overhead.errors import OverheadError
from ebpf_overhead.hooks import probe as attach
from ebpf_overhead.hooks.cases import ATTACH_TYPES, Case, select
from ebpf_overhead.tools.top.attachments import Attachment
from ebpf_overhead.tools.top.callers import CallerCounts
from ebpf_overhead.tools.top.inventory import Inventory, ProgramDetails
from ebpf_overhead.tools.top.monitor import Statistics, watch_programs
from ebpf_overhead.tools.tracers.waiting import Watch
from ebpf_overhead.workload import _workload

CALLS = 10_007  # a prime number
PATH, _, OFFSET = _workload.workload_symbol()
# Attach type -> what is found, where it is not the attach type on getpid.
FOUND = {
    "tracepoint": "tracepoint:sys_enter_getpid",
    "tracepoint_exit": "tracepoint:sys_exit_getpid",
    "raw_syscalls": "tracepoint:sys_enter",
    "raw_tracepoint": "raw_tracepoint:sys_enter",
    "raw_tracepoint_exit": "raw_tracepoint:sys_exit",
    "tp_btf": "tp_btf:sys_enter",
    "tp_btf_exit": "tp_btf:sys_exit",
    "uprobe": f"uprobe:{PATH}",
    "uretprobe": f"uretprobe:{PATH}",
    "uprobe_multi": f"uprobe_multi:{PATH}",
    "uretprobe_multi": f"uretprobe_multi:{PATH}",
    "kprobe": "kprobe:",
    "fentry": "fentry:",
    "xdp_generic": "xdp:lo in netns ",
    "tcx": "tcx:lo ingress in netns ",
    "cgroup_skb": "cgroup_inet_egress:/",
}


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("EBPF_OVERHEAD_DATA", str(tmp_path))


@pytest.fixture
def own_function(support) -> Case:
    """A case that nobody but this process runs."""
    if support["uprobe"].status != "available":
        pytest.skip(support["uprobe"].reason)
    return select(["uprobe"], ["simple"])[0]


def test_counters_and_sizes_are_those_of_bpftool(own_function):
    if leftovers.bpftool() is None:
        pytest.skip("bpftool is not installed")
    with attach.load(own_function) as probe, Statistics() as statistics:
        probe.attach()
        number = probe.program.info().prog_id
        before = statistics.read().programs[number]
        _workload.run("function", CALLS)
        ours = statistics.read().programs[number]
        (theirs,) = [each for each in leftovers.shown("prog") if each["id"] == number]
        sizes = {each["id"]: each["bytes_memlock"] for each in leftovers.shown("map")}
        details = Inventory().details({number: ours})[number]
    assert ours.run_count - before.run_count == CALLS
    assert (ours.run_count, ours.run_time_ns) == (theirs["run_cnt"], theirs["run_time_ns"])
    assert (ours.kind, ours.name, ours.tag) == (theirs["type"], theirs["name"], theirs["tag"])
    assert sorted(ours.map_ids) == sorted(theirs["map_ids"])
    assert details.map_bytes == {each: sizes[each] for each in ours.map_ids}


@pytest.mark.parametrize("name", FOUND)
def test_hook_and_process_are_found(support, name):
    if support[name].status != "available":
        pytest.skip(f"{support[name].status}: {support[name].reason}")
    with attach.load(select([name], ["empty"])[0]) as probe:
        probe.attach()
        number = probe.program.info().prog_id
        details = Inventory().details(programs())[number]
    (hook,) = details.attachments
    assert str(hook).startswith(FOUND[name])
    assert os.getpid() in [process.pid for process in details.processes]
    assert ATTACH_TYPES[name].group != "uprobes" or hook.target.rpartition("+")[2].startswith("0x")


def test_program_attached_to_a_cgroup_without_a_link(support):
    if support["cgroup_skb"].status != "available":
        pytest.skip(support["cgroup_skb"].reason)
    top = pseudofs.open_fd("cgroup2", ".")
    name = f"ebpf-overhead-test-{os.getpid()}"
    os.mkdir(name, dir_fd=top)  # its end takes the program with it
    try:
        cgroup = os.open(name, os.O_RDONLY, dir_fd=top)
        with attach.load(select(["cgroup_skb"], ["empty"])[0]) as probe:
            number = probe.program.info().prog_id
            _syscalls.bpf(8, bytearray(struct.pack("=IIII", cgroup, probe.program.fd, 1, 0)))
            details = Inventory().details(programs())[number]
        os.close(cgroup)
    finally:
        os.rmdir(name, dir_fd=top)
        os.close(top)
    assert list(map(str, details.attachments)) == [f"cgroup_inet_egress:/{name}"]


def test_looks_are_served_to_prometheus(own_function, nothing_left):
    held = attach.load(own_function)
    process = start_command(
        "top", "--no-measure", "--interval", "0.2", "--listen", "127.0.0.1:0", "--format", "json"
    )
    try:
        line = process.stderr.readline()
        url = line.split()[-1]
        assert process.stdout.readline(), "a first look"
        text = ""
        while "top_program_runs_per_second{" not in text:
            assert process.poll() is None, process.communicate()
            with urllib.request.urlopen(url, timeout=30) as answer:
                text = answer.read().decode()
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        held.close()
    assert process.returncode == 0
    nothing_left()


def test_callers_are_named(support):
    name = "tracepoint"
    if support[name].status != "available":
        pytest.skip(support[name].reason)
    code = (
        "import sys; from ebpf_overhead.workload import _workload\n"
        f"print(end='.', flush=True); sys.stdin.read(1); _workload.run('getpid', {CALLS})\n"
        "print(end='.', flush=True); sys.stdin.read(1)"
    )
    hook = Attachment("tracepoint", "sys_enter_getpid")
    details = {1: ProgramDetails((hook, Attachment("tracepoint", "sys_exit_getpid")))}
    calling = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with calling, CallerCounts() as callers:
        calling.stdout.read(1)
        assert callers.look(details) == {}
        calling.stdin.write(b"!")
        calling.stdin.flush()
        calling.stdout.read(1)
        (found,) = callers.look(details)[1][:1]
        calling.stdin.close()
        assert callers.doubts() == []
    assert found.pid == calling.pid
    assert found.share > 0


def test_kernel_names_what_a_program_was_loaded_for(support):
    if support["tp_btf"].status != "available":
        pytest.skip(support["tp_btf"].reason)
    with attach.load(select(["tp_btf"], ["empty"])[0]) as probe:
        program = programs()[probe.program.info().prog_id]
    if not program.btf_id:
        pytest.skip("this kernel does not tell (before Linux 6.0)")
    assert btf.type_name(program.btf_object, program.btf_id) == "btf_trace_sys_enter"


@pytest.mark.parametrize(
    ("name", "lookup"),
    [
        ("sys_enter", syscall.TraceAttachType.RAW_TP),
        ("vfs_read", syscall.TraceAttachType.FENTRY),
        ("task_getpgid", syscall.TraceAttachType.LSM_MAC),
        ("sys_enter", syscall.TraceAttachType.FENTRY),
        ("no_such_function", syscall.TraceAttachType.FENTRY),
    ],
)
def test_ids_are_those_that_libbpf_finds(name, lookup):
    try:
        found = btf.find_id(name, lookup)
    except OverheadError as error:
        pytest.skip(str(error))
    theirs = btf._libbpf().libbpf_find_vmlinux_btf_id(name.encode(), int(lookup))
    assert found == (theirs if theirs > 0 else None)


def test_programs_that_come_and_go_while_it_runs(own_function):
    seen = watch_programs(FakeCosts(*ATTACH_TYPES), Watch(30.0), 0.05)
    next(seen)
    with attach.load(own_function) as probe:
        probe.attach()
        number = probe.program.info().prog_id
        _workload.run("function", CALLS)
        picture = next(seen)
        (usage,) = [each for each in picture.usages if each.program.number == number]
        assert round(usage.runs_per_s * picture.seconds) == CALLS
        assert [each.attach for each in usage.details.attachments] == ["uprobe"]
    deadline = time.monotonic() + leftovers.PATIENCE_S
    picture = next(seen)
    while any(each.program.number == number for each in picture.usages):
        assert time.monotonic() < deadline
        picture = next(seen)
    assert picture.gone >= 1
    seen.close()


def test_new_kind_of_hook_is_priced_when_it_comes(own_function):
    costs = FakeCosts()
    seen = watch_programs(costs, Watch(30.0), 0.05)
    next(seen)
    with attach.load(own_function) as probe:
        probe.attach()
        number = probe.program.info().prog_id
        next(seen)  # seen for the first time
        (usage,) = [each for each in next(seen).usages if each.program.number == number]
    seen.close()
    assert any("uprobe" in kinds for kinds in costs.learned)
    assert usage.dispatch.left_out is not None
    assert isinstance(usage.details, ProgramDetails)


def wait_until(condition, process: subprocess.Popen[str] | None = None) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        if process is not None:
            assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_statistics_are_off_again_whatever_ends_it(own_function, number, nothing_left):
    with attach.load(own_function) as probe:
        probe.attach()

        def counted() -> bool:
            before = probe.program.info().run_count
            _workload.run("function", 100)
            return probe.program.info().run_count > before

        # Whoever else measures has the statistics on for moments.
        wait_until(lambda: not counted())
        process = start_command("top", "--no-measure", "--interval", "0.2")
        assert process.stdout is not None
        assert process.stdout.readline(), "a first look"
        wait_until(counted, process)
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
        wait_until(lambda: not counted())
    if number == signal.SIGINT:
        assert process.returncode == 0, errors
    nothing_left()


def test_one_look_as_json(own_function, nothing_left):
    with attach.load(own_function) as probe:
        probe.attach()
        number = probe.program.info().prog_id
        process = start_command("top", "--once", "-i", "3", "--no-measure", "--format", "json")

        def counted() -> bool:
            _workload.run("function", 100)
            return probe.program.info().run_count > 0

        wait_until(counted, process)
        _workload.run("function", CALLS)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    record = json.loads(output)
    (found,) = [each for each in record["programs"] if each["id"] == number]
    assert found["run_count"] >= CALLS
    assert found["name"] == "simple"
    assert found["hooks"][0]["attach"] == "uprobe"
    assert os.getpid() in [each["pid"] for each in found["processes"]]
    assert found["core_share"]["estimate"] == pytest.approx(found["reported_core_share"])
    assert record["own"]["core_share"] > 0
    nothing_left()


def test_both_once_and_a_duration(nothing_left):
    run = run_command("top", "--once", "--duration", "5")
    assert (run.returncode, run.stderr.count("\n")) == (2, 1)
    nothing_left()


def test_missing_rights_are_one_line(nothing_left):
    run = run_command("top", "--once", without=("CAP_SYS_ADMIN",))
    assert run.returncode == 3
    assert "needs CAP_SYS_ADMIN: EPERM from bpf" in run.stderr
    assert run.stderr.endswith("; run as root, outside of a container\n")
    assert run.stderr.count("\n") == 1
    nothing_left()
