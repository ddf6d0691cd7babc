"""Where sections of object files say that their programs are attached."""

from __future__ import annotations

import pytest

from ebpf_overhead.bpf.syscall import ProgType
from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.hooks import sections
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.hooks.sections import placed
from ebpf_overhead.hooks.symbols import entry_symbols
from ebpf_overhead.programs.loaded import LoadedAs, LoadedProgram
from ebpf_overhead.workload.workloads import WORKLOADS

PROGRAM = LoadedProgram(-1, LoadedAs(ProgType.KPROBE))

SYSCALLS = [name for name, each in WORKLOADS.items() if each.kind == "syscall"]


@pytest.mark.parametrize(
    ("section", "attach", "point", "workloads"),
    [
        ("tp_btf/sys_enter", "tp_btf", "sys_enter", SYSCALLS),
        ("?tp_btf/sys_exit", "tp_btf_exit", "sys_exit", SYSCALLS),
        ("raw_tp/sys_enter", "raw_tracepoint", "sys_enter", SYSCALLS),
        ("raw_tracepoint/sched_switch", "raw_tracepoint", "sched_switch", []),
        (
            "tp/syscalls/sys_enter_openat",
            "tracepoint",
            "syscalls:sys_enter_openat",
            ["openat_close"],
        ),
        (
            "tracepoint/syscalls/sys_exit_read",
            "tracepoint_exit",
            "syscalls:sys_exit_read",
            ["read"],
        ),
        ("tracepoint/raw_syscalls/sys_enter", "raw_syscalls", "raw_syscalls:sys_enter", SYSCALLS),
        ("tracepoint/sched/sched_switch", "tracepoint", "sched:sched_switch", []),
        ("fentry/__do_sys_getpid", "fentry", "__do_sys_getpid", ["getpid"]),
        ("fentry.s/__do_sys_getpid", "fentry", "__do_sys_getpid", ["getpid"]),
        ("fexit/vfs_read", "fexit", "vfs_read", []),
        ("kprobe/__do_sys_read", "kprobe", "__do_sys_read", ["read"]),
        ("kprobe/vfs_read+0x10", "kprobe", "vfs_read+0x10", []),
        ("kretprobe/vfs_read", "kretprobe", "vfs_read", []),
        ("kprobe.multi/vfs_read", "kprobe_multi", "vfs_read", []),
        ("lsm/task_getpgid", "lsm", "bpf_lsm_task_getpgid", ["getpgid"]),
        ("lsm.s/bpf_lsm_file_open", "lsm", "bpf_lsm_file_open", []),
        ("fmod_ret/security_task_getpgid", "fmod_ret", "security_task_getpgid", ["getpgid"]),
        ("fmod_ret/__x64_sys_getppid", "fmod_ret", "__x64_sys_getppid", []),
    ],
)
def test_a_section_is_an_attach_type_and_a_point(section, attach, point, workloads):
    found = placed(section)
    assert found.attach.name == attach
    assert [str(each) for each in found.points] == [point]
    assert [each.name for each in found.workloads] == workloads


def test_a_system_call_is_wherever_its_function_is():
    found = placed("ksyscall/getpid")
    assert found.attach.name == "kprobe"
    assert [each.name for each in found.points] == list(entry_symbols("getpid"))
    assert [each.name for each in found.workloads] == ["getpid"]
    assert placed("kretsyscall/openat").attach.name == "kretprobe"


@pytest.mark.parametrize(
    "section", ["uprobe", "uprobe.s", "uretprobe/f", "fentry", "kprobe", "usdt", "lsm"]
)
def test_without_a_point_it_is_where_the_workload_has_one(section):
    found = placed(section)
    assert found.points == ()
    assert {each.kind for each in found.workloads} == {found.attach.workload_kind}


def test_a_function_of_a_file(monkeypatch):
    point = AttachPoint("/bin/tool:work", 0x40, "/bin/tool")
    monkeypatch.setattr(sections, "user_point", {"/bin/tool:work": point}.__getitem__)
    found = placed("uprobe//bin/tool:work")
    assert (found.attach.name, found.points, found.workloads) == ("uprobe", (point,), ())


@pytest.mark.parametrize(
    ("section", "why"),
    [
        ("cgroup_skb/ingress", "no workload here calls the hook cgroup_skb/ingress"),
        ("?struct_ops/init", "no workload here calls the hook struct_ops/init"),
        ("kprobe.multi/vfs_*", "names several functions"),
        ("uprobe//bin/sh:get*", "/bin/sh:get\\* names several functions"),
        ("uprobe//nowhere/tool:work", "no file /nowhere/tool"),
    ],
)
def test_what_cannot_be_attached_here_says_why_when_it_is_attached(section, why):
    found = placed(section)
    assert found.attach.prog_type == ProgType.UNSPEC, "it is loaded as the file says"
    (point,) = found.attach.points(WORKLOADS["getpid"])
    with pytest.raises(UnsupportedError, match=why):
        found.attach.open(PROGRAM, point, False)


def test_a_pattern_is_where_a_call_passes_one_of_its_events():
    found = placed("tracepoint/syscalls/sys_enter_*")
    names = [each.name for each in found.workloads]
    assert found.attach.name == "tracepoint"
    assert "getpid" in names
    assert "openat_close" not in names, "it passes two"
    assert [each.name for each in found.elsewhere] == ["syscalls:sys_enter_*"]
    assert placed("tracepoint/syscalls/sys_exit_getp*").attach.name == "tracepoint_exit"


@pytest.mark.parametrize("place", ["syscalls/sys_*_getpid", "sched/sched_*", "*/sys_enter_getpid"])
def test_of_other_patterns_a_call_may_pass_several(place):
    assert placed(f"tracepoint/{place}").attach.prog_type == ProgType.UNSPEC
