// SPDX-License-Identifier: GPL-2.0-only
/*
 * percpu_hash: one per-CPU hash map, key = process id, value incremented.
 *
 * Compared with simple, there is no atomic addition, but this CPU's value must be found.
 */
#define ENTRIES 16384

BPF_TABLE("percpu_hash", u32, u64, counts, ENTRIES);
BPF_ARRAY(lost_updates, u64, 1);

int program(void *ctx)
{
    u32 pid = bpf_get_current_pid_tgid() >> 32;
    u64 *count = counts.lookup(&pid);
    if (count) {
        (*count)++;
        return 0;
    }
    u64 one = 1;
    if (counts.update(&pid, &one))
        lost_updates.atomic_increment(0);
    return 0;
}
