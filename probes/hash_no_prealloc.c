// SPDX-License-Identifier: GPL-2.0-only
/*
 * hash_no_prealloc: one hash map without preallocation, one key deleted and inserted again.
 *
 * Compared with hash_reinsert, elements come from the kernel's BPF allocator.  An existing key
 * costs the same in both: see simple.
 */
#define ENTRIES 16384

#define BPF_F_NO_PREALLOC 1
BPF_F_TABLE("hash", u32, u64, counts, ENTRIES, BPF_F_NO_PREALLOC);
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
