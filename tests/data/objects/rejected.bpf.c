// SPDX-License-Identifier: GPL-2.0-only
/* The verifier rejects it: it does not look whether there is such an element. */
#include "maps.h"

COUNTS(u32, 16);

SEC("tracepoint/syscalls/sys_enter_getpid")
int rejected(void *ctx)
{
    u32 key = 0;
    u64 *count = bpf_map_lookup_elem(&counts, &key);
    return *count + (long)&lost_updates;
}
