// SPDX-License-Identifier: GPL-2.0-only
/* Jumps into a second program, which libbpf puts into the array, and counts there. */
#include "maps.h"

COUNTS(u32, 1024);

int target(void *ctx);

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 4);
    __type(key, u32);
    __array(values, int(void *));
} targets SEC(".maps") = {
    .values = {[2] = (void *)&target},
};

SEC("raw_tp/sys_enter")
int jump(void *ctx)
{
    bpf_tail_call(ctx, &targets, 2);
    return 0;
}

SEC("raw_tp/sys_enter")
int target(void *ctx)
{
    u32 pid = bpf_get_current_pid_tgid() >> 32;
    COUNT(&pid);
}
