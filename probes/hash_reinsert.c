// SPDX-License-Identifier: GPL-2.0-only
/*
 * hash_reinsert: one hash map, one key deleted and inserted again.
 *
 * The cost of a key that is inserted and deleted.  The element comes from the map's own
 * store, where the deletion put it.
 */
#define ENTRIES 16384

BPF_TABLE("hash", u32, u64, counts, ENTRIES);
BPF_ARRAY(lost_updates, u64, 1);

int program(void *ctx)
{
    u32 pid = bpf_get_current_pid_tgid() >> 32;
    u64 one = 1;
    counts.delete(&pid);
    if (counts.update(&pid, &one))
        lost_updates.atomic_increment(0);
    return 0;
}
