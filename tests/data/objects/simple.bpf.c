// SPDX-License-Identifier: GPL-2.0-only
/* probes/simple.c as it is written for libbpf; SECTION says where it is attached. */
#include "maps.h"

COUNTS(u32, 16384);

SEC(SECTION)
int simple(void *ctx)
{
    u32 pid = bpf_get_current_pid_tgid() >> 32;
    COUNT(&pid);
}
