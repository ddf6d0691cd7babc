// SPDX-License-Identifier: GPL-2.0-only
/*
 * lru_hash: one hash map that evicts the least recently used key, key = process id, value
 * incremented.
 *
 * Compared with simple, every lookup marks its key as used.  The map does not fill, so
 * nothing is evicted here.
 */
#define ENTRIES 16384

BPF_TABLE("lru_hash", u32, u64, counts, ENTRIES);
BPF_ARRAY(lost_updates, u64, 1);

int program(void *ctx)
{
    u32 pid = bpf_get_current_pid_tgid() >> 32;
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
