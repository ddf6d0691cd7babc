// SPDX-License-Identifier: GPL-2.0-only
/*
 * threads: how often each thread passes hooks.
 */
#include "filters.h"

/* Threads that find no room are not counted. */
BPF_HASH(passed, u32, u64, 4096);

int threads(void *ctx)
{
    if (!wanted())
        return 0;
    u32 thread = bpf_get_current_pid_tgid();
    u64 none = 0;
    u64 *seen = passed.lookup_or_try_init(&thread, &none);
    if (seen)
        __sync_fetch_and_add(seen, 1);
    return 0;
}
