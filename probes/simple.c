// SPDX-License-Identifier: GPL-2.0-only
/*
 * simple: one hash map, key = process id, value incremented.
 *
 * The most common work of a probe is to count something per process.  The map has one entry
 * per process, so it holds as many processes as it has entries.  An update of a full map is
 * lost, and counted in lost_updates.
 */
#ifndef SIMPLE_ENTRIES
#define SIMPLE_ENTRIES 16384
#endif

BPF_HASH(counts, u32, u64, SIMPLE_ENTRIES);
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
