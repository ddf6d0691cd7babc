// SPDX-License-Identifier: GPL-2.0-only
/*
 * filter: the same as simple, for one process only; for all others it returns early.
 *
 * The most common filter.  filter_match accepts the measuring process, so it also does the
 * work.  filter_mismatch accepts a process that does not exist.
 */
#define ENTRIES 16384

BPF_HASH(counts, u32, u64, ENTRIES);
BPF_ARRAY(lost_updates, u64, 1);

int program(void *ctx)
{
    u32 pid = bpf_get_current_pid_tgid() >> 32;
    if (pid != FILTER_PID)
        return 0;
    u64 *count = counts.lookup(&pid);
    if (count) {
        __sync_fetch_and_add(count, 1);
        return 0;
    }
    u64 one = 1;
    if (counts.update(&pid, &one))
        lost_updates.atomic_increment(0);
    return 0;
}
