// SPDX-License-Identifier: GPL-2.0-only
/* A map and an attach point that a tool would set when it starts. */
#include "maps.h"

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(key_size, sizeof(u32));
} sessions SEC(".maps");

SEC("raw_tp/sys_enter")
int sizeless(void *ctx)
{
    u32 key = 0;
    return bpf_map_lookup_elem(&sessions, &key) != 0;
}

SEC("?tp_btf/no_such_event")
int nowhere(void *ctx)
{
    return 0;
}
