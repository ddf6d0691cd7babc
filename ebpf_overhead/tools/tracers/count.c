// SPDX-License-Identifier: GPL-2.0-only
/*
 * count: how often hooks fire, with one counter per target and CPU.
 *
 * The minimum that can count: one array lookup and one addition.  The same bytecode serves
 * every target.  The loader gives each copy its number, TARGET, so that the kernel needs no
 * cookies.
 */
#include "filters.h"

/* One element per target: the loader sets the number. */
BPF_PERCPU_ARRAY(events, u64, 1);

int count(void *ctx)
{
    if (!wanted())
        return 0;
    u32 target = TARGET;
    u64 *seen = events.lookup(&target);
    if (seen)
        __sync_fetch_and_add(seen, 1);
    return 0;
}
