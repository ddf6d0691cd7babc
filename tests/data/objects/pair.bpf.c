// SPDX-License-Identifier: GPL-2.0-only
/* An entry and a return program that share a map, and one that is loaded only if it is named. */
#include "maps.h"

COUNTS(u32, 1024);

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, u32);
    __type(value, u64);
} begun SEC(".maps");

SEC("raw_tp/sys_enter")
int enter(void *ctx)
{
    u32 zero = 0;
    u64 now = bpf_ktime_get_ns();
    bpf_map_update_elem(&begun, &zero, &now, BPF_ANY);
    return 0;
}

SEC("raw_tp/sys_exit")
int leave(void *ctx)
{
    u32 zero = 0;
    u64 *start = bpf_map_lookup_elem(&begun, &zero);
    if (!start)
        return 0;
    u32 key = bpf_ktime_get_ns() - *start > 1000;
    COUNT(&key);
}

SEC("?tp_btf/sys_enter")
int unasked(void *ctx)
{
    return 0;
}
