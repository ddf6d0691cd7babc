"""The table of attach types: each row says all of it, and nobody else names one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from ebpf_overhead.bpf.syscall import ProgType, TraceAttachType
from ebpf_overhead.hooks import attach_types, tracepoints
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.hooks.attach_types import ATTACH_TYPES, COUNTING, REFERENCE, like
from ebpf_overhead.workload.workloads import WORKLOADS

ROOT = Path(__file__).resolve().parents[3]
# Workloads have names of their own, of which one is an attach type's, too.
NAMES = ATTACH_TYPES.keys() - WORKLOADS.keys()
PROBES = {"kprobe", "kretprobe", "tracepoint", "uprobe", "uretprobe"}
# Module -> what it names that is called like an attach type and is something else.
SOMETHING_ELSE = {
    # members of the kernel's structures
    "bpf/infos.py": {"kprobe", "kprobe_multi", "raw_tracepoint", "tracepoint", "uprobe"}
    | {"uprobe_multi", "xdp", "tcx"},
    "bpf/structures.py": {"kprobe_multi", "uprobe_multi"},
    "bpf/perf_event.py": {"kprobe", "uprobe"},  # the kernel's PMUs
    "hooks/attach_type.py": {"tracepoint"},  # a kind of place that users name
    "hooks/existing.py": {"kprobe", "tracepoint"},  # hooks that the kernel lists, of any kind
    "hooks/many_points.py": {"raw_syscalls"},  # a directory of tracefs
    "hooks/trampolines.py": {"lsm"},  # a file of securityfs
    # BCC's names of functions, and libbpf's of sections.
    "programs/bcc_text.py": {"kprobe", "kretprobe", "tracepoint", "raw_tracepoint", "lsm"}
    | {"fentry", "fexit", "fmod_ret"},
    # bpftrace's names of probes.
    "programs/bpftrace_text.py": {"fentry", "fexit", *PROBES},
    "programs/bpftrace_points.py": {"fentry", "fexit", *PROBES},
    "programs/bpftrace_object.py": {"fentry", "fexit", *PROBES},
}


def named_in(source: str) -> set[str]:
    """Return the attach types that are string literals in a module."""
    literals = (
        node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)
    )
    return {value for value in literals if isinstance(value, str)} & NAMES


def modules() -> list[Path]:
    found = [*ROOT.glob("ebpf_overhead/**/*.py"), *ROOT.glob("benchmarks/*.py")]
    assert len(found) > 200
    return [path for path in found if path != ROOT / "ebpf_overhead/hooks/attach_types.py"]


def test_no_other_module_names_an_attach_type():
    named = {str(path.relative_to(ROOT)): named_in(path.read_text()) for path in modules()}
    allowed = {f"ebpf_overhead/{name}": words for name, words in SOMETHING_ELSE.items()}
    assert {name: words for name, words in named.items() if words} == allowed


def test_a_module_that_names_one_is_found_out():
    assert named_in('if attach in ("fexit", "uprobes"): pass') == {"fexit"}
    assert named_in('"""On fexit."""\nusdt = f"fentry/{fexit}"') == set()


@pytest.mark.parametrize("row", ATTACH_TYPES.values(), ids=lambda row: row.name)
def test_every_row_is_whole(row):
    release, commit = row.since.split(", ")
    assert tuple(map(int, release.split("."))) >= (4, 5)
    assert len(commit) == 12
    assert int(commit, 16)
    assert row.reach
    assert row.needs
    assert row.workload_kind in {kind for each in WORKLOADS.values() for kind in each.kinds}
    assert set(row.serves) <= {"function", "syscall", "tracepoint", "user"}
    assert row.by_btf is (row.prog_type in (ProgType.TRACING, ProgType.LSM))


def test_docs_say_of_every_row_how_the_call_gets_to_the_program():
    text = (ROOT / "docs" / "attach-types.md").read_text()
    rows = re.findall(
        r"^\| `(\w+)` \| `[^`]+` \| ([^|]+) \|(?: (?:yes|no) \|)+$", text, re.MULTILINE
    )
    assert rows == [(row.name, row.reach) for row in ATTACH_TYPES.values()]


def test_names_elsewhere_are_nobodys_own_and_no_two_rows_have_the_same():
    aliases = [alias for row in ATTACH_TYPES.values() for alias in row.aliases]
    assert len(set(aliases)) == len(aliases)
    assert not set(aliases) & ATTACH_TYPES.keys()


def test_what_sees_the_return_is_in_the_table_and_at_the_return():
    returns = {row.name: row.at_return for row in ATTACH_TYPES.values() if row.at_return}
    assert returns.keys() >= {"fentry", "kprobe", "uprobe", "tracepoint"}
    assert all(ATTACH_TYPES[name].moment == "return" for name in returns.values())


def test_no_two_rows_are_hooked_the_same_way():
    """But for where: tracepoints of several events, and a uprobe on a nop."""
    ways = [
        (row.prog_type, row.expected, row.flags, row.open, row.moment, row.points)
        for row in ATTACH_TYPES.values()
        if row.group != "tracepoints" and row.name != "usdt"
    ]
    assert len(set(ways)) == len(ways)
    for row in ATTACH_TYPES.values():
        multi = row.expected is not TraceAttachType.NONE
        assert not (multi and row.prog_type is ProgType.TRACEPOINT)


def test_roles():
    assert REFERENCE == ("tp_btf", "fentry", "kprobe")
    assert [row.name for row in ATTACH_TYPES.values() if row.called_otherwise] == ["tp_btf"]
    assert {row.name for row in ATTACH_TYPES.values() if row.at_exit} == {
        "raw_tracepoint_exit",
        "tp_btf_exit",
    }
    assert not [row for row in COUNTING if row.moment != "entry"], "each event counts once"
    assert attach_types.ALL_CALLS.system_wide
    assert attach_types.ALL_CALLS_EXIT.at_exit


@pytest.mark.parametrize(
    ("kernel_name", "place", "expected"),
    [
        ("tracepoint", "sys_enter_openat", "tracepoint"),
        ("tracepoint", "sys_exit_openat", "tracepoint_exit"),
        ("tracepoint", "sched_switch", "raw_syscalls"),
        ("tracepoint", "", "raw_syscalls"),
        ("kprobe", "vfs_read", "kprobe"),
        ("kprobe", "vfs_read+0x10", "kprobe_offset"),
        ("uprobe", "/bin/bash+0x10", "uprobe"),
        ("raw_tracepoint", "sys_exit", "raw_tracepoint"),
        ("tp_btf", "sched_switch", "tp_btf"),
        ("fentry", "", "fentry"),
        ("xdp", "lo", None),
        ("perf_event", "", None),
    ],
)
def test_hook_of_somebody_elses_costs_what_a_row_costs(kernel_name, place, expected):
    found = like(kernel_name, place)
    assert (found.name if found else None) == expected


FORMAT = """\
name: sys_enter_getpid
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

\tfield:int __syscall_nr;\toffset:8;\tsize:4;\tsigned:1;
"""


def test_length_of_a_tracepoints_record(monkeypatch):
    asked = []

    def read(fstype, path):
        asked.append((fstype, path))
        return FORMAT

    point = AttachPoint("syscalls:sys_enter_getpid")
    monkeypatch.setattr(tracepoints.pseudofs, "read_text", read)
    assert ATTACH_TYPES["tracepoint"].record_bytes(point) == 12
    assert asked == [("tracefs", "events/syscalls/sys_enter_getpid/format")]

    def refuse(fstype, path):
        raise PermissionError

    monkeypatch.setattr(tracepoints.pseudofs, "read_text", refuse)
    assert ATTACH_TYPES["tracepoint"].record_bytes(point) is None
    assert ATTACH_TYPES["raw_tracepoint"].record_bytes(AttachPoint("sys_enter")) == 16
    assert ATTACH_TYPES["raw_tracepoint"].record_bytes(AttachPoint("sched_switch")) is None
    assert ATTACH_TYPES["fentry"].record_bytes(point) is None
