// SPDX-License-Identifier: GPL-2.0-only
/* Programs at hooks that no workload calls, and to which they can be attached. */
#include "maps.h"

SEC("iter/task")
int on_task(void *ctx)
{
    return 0;
}

SEC("netkit/primary")
int on_pair(struct __sk_buff *ctx)
{
    return 0;
}
