"""What the names in a tool's text say of where its functions are attached."""

from __future__ import annotations

import pytest

from ebpf_overhead.programs.bcc_text import needs_formats, plain_name, sections_of

TOOL = """\
#include <uapi/linux/ptrace.h>
// int kprobe__in_a_comment(void *ctx) { return 0; }
/* TRACEPOINT_PROBE(in, a_comment)
{ return 0; } */
BPF_HASH(start, u32, u64);
static int helper(struct pt_regs *ctx) { return 0; }
int kprobe__do_exit(struct pt_regs *ctx, long code)
{
    return helper(ctx);
}
int kretprobe__vfs_read(struct pt_regs *ctx) { return 0; }
int kprobe__sys_getpid(struct pt_regs *ctx) { return 0; }
int kretprobe__sys_getpid(struct pt_regs *ctx) { return 0; }
int syscall__execve(struct pt_regs *ctx, const char __user *name) { return 0; }
TRACEPOINT_PROBE(syscalls, sys_enter_getpid) { return 0; }
int tracepoint__sched__sched_switch(struct tracepoint__sched__sched_switch *args) { return 0; }
RAW_TRACEPOINT_PROBE(sys_exit)
{
    return 0;
}
KFUNC_PROBE(vfs_open, const struct path *path) { return 0; }
KRETFUNC_PROBE(do_unlinkat, int dfd, struct filename *name, int ret) { return 0; }
LSM_PROBE(task_getpgid, struct task_struct *task) { return 0; }
int trace_by_python(struct pt_regs *ctx) { kprobe__do_exit(ctx, 1); return 0; }
"""


def test_names_of_bcc_are_sections():
    assert sections_of(TOOL) == {
        "kprobe__do_exit": "kprobe/do_exit",
        "kretprobe__vfs_read": "kretprobe/vfs_read",
        "kprobe__sys_getpid": "ksyscall/getpid",
        "kretprobe__sys_getpid": "kretsyscall/getpid",
        "syscall__execve": "ksyscall/execve",
        "tracepoint__sched__sched_switch": "tracepoint/sched/sched_switch",
        "tracepoint__syscalls__sys_enter_getpid": "tracepoint/syscalls/sys_enter_getpid",
        "raw_tracepoint__sys_exit": "raw_tp/sys_exit",
        "kfunc__vfs_open": "fentry/vfs_open",
        "kretfunc__do_unlinkat": "fexit/do_unlinkat",
        "lsm__task_getpgid": "lsm/task_getpgid",
    }


@pytest.mark.parametrize("part", ["/*", "kprobe__a(", "program(", "KFUNC_PROBE( ", "//\n", "/*/"])
def test_long_text_of_any_kind_ends(part):
    """Time that goes by the square of the length would be hours."""
    sections_of(part * 400_000)


def test_comments_that_do_not_end_hide_the_rest():
    hidden = "int kprobe__f(void *c) { return 0; }"
    assert sections_of(f"/* {hidden}") == {}
    assert sections_of(f"// {hidden}") == {}
    assert sections_of(f"/* // */ {hidden}\n/*\n") == {"kprobe__f": "kprobe/f"}


def test_text_with_a_program_is_measured_as_one():
    assert sections_of(TOOL + "int program(void *ctx)\n{\n    return 0;\n}\n") == {}
    assert sections_of("int helper(void *ctx) { return 0; }\n") == {}


@pytest.mark.parametrize(
    ("compiled", "name"),
    [
        ("kfunc__vmlinux__vfs_open", "kfunc__vfs_open"),
        ("kfunc__vfs_open", "kfunc__vfs_open"),
        ("kprobe__do_exit", "kprobe__do_exit"),
    ],
)
def test_module_in_the_names_of_later_bcc(compiled, name):
    assert plain_name(compiled) == name


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        (b"TRACEPOINT_PROBE(sched, sched_switch)", True),
        (b"struct tracepoint__sched__sched_switch *args", True),
        (b"RAW_TRACEPOINT_PROBE(sys_exit)", False),
        (b"raw_tracepoint__sys_exit(void *ctx)", False),
    ],
)
def test_events_whose_formats_are_those_of_a_kernel(text, needs):
    assert needs_formats(text) == needs
