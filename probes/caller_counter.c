// SPDX-License-Identifier: GPL-2.0-only
/*
 * caller_counter: counts who makes system calls, while the runs of a program are checked.
 *
 * This program is not measured.  It is attached to the raw tracepoint sys_enter during the
 * run count check.  It distinguishes the measuring thread's calls of the workload from its
 * other system calls, and from the calls of others.  So the kernel's run count of the checked
 * program can be split into own and foreign hits.  The counters are an array that user space
 * maps into its memory, so reading them makes no system call.
 *
 * The map "subject" says what to watch: the measuring thread, or the whole process where
 * several threads measure.  Its ids are those of its own process id namespace, so this works
 * in containers.  Tasks that the workload starts are known by their name, which no others have.
 * It also has the number of the workload's system call, and a bit for each of those that a call
 * of the workload makes.  A system call that returns from a signal has no number at its end.
 */
#define BPF_F_MMAPABLE 1024

#define NAME_BYTES 16
#define SYSCALLS   512

enum counter { OWN_TARGET, OWN_OTHER, FOREIGN_TARGET, FOREIGN_OTHER, COUNTERS };

BPF_F_TABLE("array", u32, u64, counted_callers, COUNTERS, BPF_F_MMAPABLE);

struct subject {
    u64 namespace_dev;
    u64 namespace_ino;
    u64 thread;
    u64 whole_process; /* if set, "thread" is the id of a process */
    u64 syscall;
    char name[NAME_BYTES];
    u64 syscalls[SYSCALLS / 64];
    u64 from_signals; /* if set, the calls that end without their number, too: rt_sigreturn */
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
    /* This fails for a task of another namespace, which is foreign. */
    bpf_get_ns_current_pid_tgid(watched->namespace_dev, watched->namespace_ino, &ids, sizeof(ids));

    u64 name[NAME_BYTES / 8];
    u64 *started = (u64 *)watched->name;
    bpf_get_current_comm(name, sizeof(name));

    u64 number = ctx->syscall;
    bool own = (watched->whole_process ? ids.tgid : ids.pid) == watched->thread ||
               (name[0] == started[0] && name[1] == started[1]);
    bool target = number == watched->syscall;
    if (own && number < SYSCALLS)
        target = watched->syscalls[number / 64] >> (number % 64) & 1;
    else if (own)
        target = watched->from_signals;
    u32 counter =
        own ? (target ? OWN_TARGET : OWN_OTHER) : (target ? FOREIGN_TARGET : FOREIGN_OTHER);
    u64 *count = counted_callers.lookup(&counter);
    if (count)
        __sync_fetch_and_add(count, 1);
    return 0;
}
