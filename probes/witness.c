// SPDX-License-Identifier: GPL-2.0-only
/*
 * witness: counts who makes system calls, beside a program that is being proven.
 *
 * Not a measured program.  Attached to the raw tracepoint sys_enter during a counting
 * pass, it tells the measuring thread's own calls of the target from its other system
 * calls and from everybody else's, so that the kernel's run count of the program under
 * proof can be split into own and foreign hits.  The counters are an array that user
 * space maps into its memory: reading them makes no system call.
 *
 * The map "subject" says whom to watch: the measuring thread, or the whole process where
 * several threads measure, in its own process id namespace (so this works in containers),
 * and the number of the target; of both system
 * calls, where a call of the target makes two.
 */
#define BPF_F_MMAPABLE 1024

enum counter { OWN_TARGET, OWN_OTHER, FOREIGN_TARGET, FOREIGN_OTHER, COUNTERS };

BPF_F_TABLE("array", u32, u64, witnessed, COUNTERS, BPF_F_MMAPABLE);

struct subject {
    u64 namespace_dev;
    u64 namespace_ino;
    u64 thread;
    u64 syscall;
    u64 second_syscall;
    u64 whole_process; /* "thread" is then the id of a process */
};

BPF_ARRAY(subject, struct subject, 1);

struct sys_enter_args {
    u64 regs;
    u64 syscall;
};

int program(struct sys_enter_args *ctx)
{
    int first = 0;
    struct subject *watched = subject.lookup(&first);
    if (!watched)
        return 0;
    struct bpf_pidns_info ids = {};
    /* Fails for a task of another namespace: that one is foreign. */
    bpf_get_ns_current_pid_tgid(watched->namespace_dev, watched->namespace_ino, &ids, sizeof(ids));

    bool own = (watched->whole_process ? ids.tgid : ids.pid) == watched->thread;
    bool target =
        ctx->syscall == watched->syscall || (own && ctx->syscall == watched->second_syscall);
    u32 counter =
        own ? (target ? OWN_TARGET : OWN_OTHER) : (target ? FOREIGN_TARGET : FOREIGN_OTHER);
    u64 *count = witnessed.lookup(&counter);
    if (count)
        __sync_fetch_and_add(count, 1);
    return 0;
}
