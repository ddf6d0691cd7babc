"""A tool's text as BCC's tools have it: several functions, attached by their names."""

from __future__ import annotations

TOOL = """\
#include <uapi/linux/ptrace.h>
#include <linux/sched.h>
BPF_HASH(start, u32, u64);
BPF_HISTOGRAM(dist);
BPF_PERF_OUTPUT(out);

TRACEPOINT_PROBE(syscalls, sys_enter_getpid)
{
    u32 tid = bpf_get_current_pid_tgid();
    u64 ts = bpf_ktime_get_ns() + (args->__syscall_nr < 0);
    start.update(&tid, &ts);
    return 0;
}

RAW_TRACEPOINT_PROBE(sys_exit)
{
    u32 tid = bpf_get_current_pid_tgid();
    u64 *ts = start.lookup(&tid);
    if (ts)
        dist.increment(bpf_log2l(bpf_ktime_get_ns() - *ts));
    return 0;
}

int kprobe__sys_getpid(struct pt_regs *ctx)
{
    char comm[TASK_COMM_LEN];
    bpf_get_current_comm(&comm, sizeof(comm));
    out.perf_submit(ctx, &comm, sizeof(comm));
    return 0;
}

int kretprobe__sys_getpid(struct pt_regs *ctx)
{
    dist.increment(PT_REGS_RC(ctx) > 0);
    return 0;
}

KFUNC_PROBE(GETPID, struct pt_regs *regs)
{
    dist.increment(1);
    return 0;
}

int trace_entry(struct pt_regs *ctx)
{
    dist.increment(2);
    return 0;
}
"""
