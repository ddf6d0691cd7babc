// SPDX-License-Identifier: GPL-2.0-only
/* probes/complex.c as it is written for libbpf; SECTION says where it is attached. */
#include "maps.h"

struct key {
    u32 pid;
    u32 time;
    char command[32];
};

COUNTS(struct key, 65536);

SEC(SECTION)
int complex(void *ctx)
{
    struct key key = {};
    key.pid = bpf_get_current_pid_tgid() >> 32;
    key.time = bpf_ktime_get_ns() % 1024;
    bpf_get_current_comm(&key.command, sizeof(key.command));
    COUNT(&key);
}
