"""Reading which probes a script of bpftrace's has."""

from __future__ import annotations

import pytest

from ebpf_overhead.programs.bpftrace_text import probes_of, without


@pytest.mark.parametrize(
    ("name", "section"),
    [
        ("tracepoint:syscalls:sys_enter_getpid", "tracepoint/syscalls/sys_enter_getpid"),
        ("t:raw_syscalls:sys_enter", "tracepoint/raw_syscalls/sys_enter"),
        ("kprobe:vfs_read", "kprobe/vfs_read"),
        ("k:vfs_read+4", "kprobe/vfs_read+4"),
        ("kr:vfs_read", "kretprobe/vfs_read"),
        ("kfunc:vfs_read", "fentry/vfs_read"),
        ("fentry:vmlinux:vfs_read", "fentry/vfs_read"),
        ("kretfunc:vfs_read", "fexit/vfs_read"),
        ("fr:vfs_read", "fexit/vfs_read"),
        ("rawtracepoint:sys_enter", "raw_tp/sys_enter"),
        ("uprobe:/bin/bash:readline", "uprobe//bin/bash:readline"),
        ('ur:"/bin/bash":"readline"', "uretprobe//bin/bash:readline"),
        ("u:libc:malloc", "uprobe/libc.so:malloc"),
        ("uprobe:libc.so.6:malloc", "uprobe/libc.so.6:malloc"),
        ("interval:s:1", "interval/s:1"),
        ("i:s:1", "interval/s:1"),
        ("BEGIN", "BEGIN"),
        ("usdt:/bin/x:a:b", "usdt//bin/x:a:b"),
    ],
)
def test_a_probe_says_where_it_is_attached(name, section):
    (probe,) = probes_of(f"{name} {{ @ = count(); }}")
    assert (probe.name, probe.section) == (name, section)


@pytest.mark.parametrize(
    "text",
    [
        "// kprobe:a { }\nkprobe:b { }",
        "/* kprobe:a {\n } */ kprobe:b { }",
        '#define X "{"\n#include <a.h>\nkprobe:b { }',
        "#define LONG kprobe:a \\\n { }\nkprobe:b { }",
        'kprobe:b { printf("} kprobe:a { \\" // "); }',
        "struct a { int x; };\nkprobe:b { if (1) { @x = 1; } else { @x = 2; } }",
        "config = { max_map_keys = 10 }\nkprobe:b { }",
        "kprobe:b/pid == 1/ { }",
        "kprobe:b\n/ pid == 1 / { }",
        "kprobe:b\n{ }\n}",
    ],
)
def test_nothing_else_is_one(text):
    (probe,) = probes_of(text)
    assert probe.name == "kprobe:b"
    assert text[slice(*probe.where)] == "kprobe:b"


def test_several_of_one_clause_and_several_of_one_name():
    text = "kprobe:a,\nuprobe:/bin/x:f, kprobe : b / 1 / { } kprobe:a { }"
    assert [each.name for each in probes_of(text)] == [
        "kprobe:a",
        "uprobe:/bin/x:f",
        "kprobe:b",
        "kprobe:a#2",
    ]


@pytest.mark.parametrize(
    ("gone", "left"),
    [
        ((), "k:a,\nk:b , k:c / 1 / { @ = 1 }\nk:a { @x = 2 }"),
        (("k:a",), "    \nk:b,  k:c / 1 / { @ = 1 }\nk:a { @x = 2 }"),
        (("k:b",), "k:a,\n      k:c / 1 / { @ = 1 }\nk:a { @x = 2 }"),
        (("k:c",), "k:a,\nk:b       / 1 / { @ = 1 }\nk:a { @x = 2 }"),
        (("k:a", "k:b", "k:c"), f"    \n{' ' * 25}\nk:a {{ @x = 2 }}"),
        (("k:a#2",), f"k:a,\nk:b , k:c / 1 / {{ @ = 1 }}\n{' ' * 14}"),
    ],
)
def test_a_script_without_some_of_its_probes_has_the_others_where_they_were(gone, left):
    assert without("k:a,\nk:b , k:c / 1 / { @ = 1 }\nk:a { @x = 2 }", gone) == left
