// SPDX-License-Identifier: GPL-2.0-only
/*
 * updates: a hash map, UPDATES of its keys overwritten.
 *
 * The cost of a map operation when there are many: updates_1, updates_8 and updates_64 differ
 * in nothing else.
 */
#define ENTRIES 1024

BPF_HASH(counts, u32, u64, ENTRIES);
BPF_ARRAY(lost_updates, u64, 1);

int program(void *ctx)
{
    u64 one = 1;
    for (u32 turn = 0; turn < UPDATES; turn++) {
        u32 key = turn;
        if (counts.update(&key, &one))
            lost_updates.atomic_increment(0);
    }
    return 0;
}
