// SPDX-License-Identifier: GPL-2.0-only
/* Does what its variables say: each kind that can be set, and what the kernel fills in. */
#include "maps.h"

const volatile u32 modulus = 4;
const volatile char text[8] = "abc";
u64 added = 1;
u64 sum;
extern int LINUX_KERNEL_VERSION __kconfig;
extern int CONFIG_HZ __kconfig __weak;

COUNTS(u32, 16);

SEC("raw_tp/sys_enter")
int settings(void *ctx)
{
    u32 key = bpf_ktime_get_ns() % modulus;
    if (text[0] != 'a' || LINUX_KERNEL_VERSION < 5)
        return 0;
    sum += added + CONFIG_HZ;
    COUNT(&key);
}
