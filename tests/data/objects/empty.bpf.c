// SPDX-License-Identifier: GPL-2.0-only
/* probes/empty.c as it is written for libbpf; SECTION says where it is attached. */
#include "maps.h"

SEC(SECTION)
int empty(void *ctx)
{
    return 0;
}
