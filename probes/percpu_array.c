// SPDX-License-Identifier: GPL-2.0-only
/*
 * percpu_array: one per-CPU array, a fixed element incremented.
 *
 * Compared with array, there is no atomic addition and no cache line shared between CPUs.
 * But the address of this CPU's element must be found.
 */
BPF_PERCPU_ARRAY(counts, u64, 1);

int program(void *ctx)
{
    int first = 0;
    u64 *count = counts.lookup(&first);
    if (count)
        (*count)++;
    return 0;
}
