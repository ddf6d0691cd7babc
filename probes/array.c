// SPDX-License-Identifier: GPL-2.0-only
/*
 * array: one array, a fixed element incremented atomically.
 *
 * The cheapest shared counter.  The verifier knows the index, so the JIT turns the lookup
 * into an addition to the map's address.
 */
BPF_ARRAY(counts, u64, 1);

int program(void *ctx)
{
    int first = 0;
    u64 *count = counts.lookup(&first);
    if (count)
        __sync_fetch_and_add(count, 1);
    return 0;
}
