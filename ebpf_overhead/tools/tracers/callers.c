// SPDX-License-Identifier: GPL-2.0-only
/*
 * callers: how often each process, in each cgroup, passes hooks.
 *
 * The loader gives each copy the number of its hook, TARGET.
 */
struct caller {
    u64 cgroup;
    u32 process;
    u32 target;
};

BPF_HASH(passed, struct caller, u64, 16384);
BPF_ARRAY(lost, u64, 1);

int callers(void *ctx)
{
    struct caller key = {
        .cgroup = bpf_get_current_cgroup_id(),
        .process = bpf_get_current_pid_tgid() >> 32,
        .target = TARGET,
    };
    u64 none = 0;
    u64 *seen = passed.lookup_or_try_init(&key, &none);
    if (seen) {
        __sync_fetch_and_add(seen, 1);
        return 0;
    }
    u32 only = 0;
    u64 *more = lost.lookup(&only);
    if (more)
        __sync_fetch_and_add(more, 1);
    return 0;
}
