// SPDX-License-Identifier: GPL-2.0-only
/*
 * count: how often hooks fire, one counter a target, per CPU.
 *
 * The least that can count: one array lookup and one addition.  The same bytecode serves
 * every target; TARGET stands for its number and is replaced in the loaded copy, which
 * no kernel needs cookies for.
 */
#include "filters.h"

#ifndef TARGETS
#define TARGETS 1
#endif

#define TARGET 0x7a12e755

BPF_PERCPU_ARRAY(events, u64, TARGETS);

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
