// SPDX-License-Identifier: GPL-2.0-only
/*
 * latency: how long calls take, from an entry hook to the return hook of the same thread.
 *
 * Two programs, entered and returned, for any pair of hooks.  The clock is read last on
 * the way in and first on the way out, so that as little as possible of the tracer's own
 * cost is inside what it reports.  All counts are per CPU and in one map value: user
 * space reads them with one system call.
 *
 * A slot of `slots` is a sixteenth of a power of two wide (exact below 16 ns), from
 * which the familiar power-of-two rows and percentiles follow.  For other units, and for
 * linear histograms, ROW_NS is the unit in ns and `rows` is counted besides:
 * LINEAR_WIDTH_NS wide, or powers of two of the unit.
 */
#include "filters.h"

#ifndef STARTS_ENTRIES
#define STARTS_ENTRIES 65536
#endif

#define SLOTS 1024
#define ROWS  256

struct latencies {
    u64 entered;     /* calls seen on the way in */
    u64 returned;    /* calls timed */
    u64 unmatched;   /* returns of calls whose beginning was not seen */
    u64 overwritten; /* begun again by the same thread: recursion, or a return not seen */
    u64 lost;        /* calls without room in `starts` */
    u64 total_ns;
    u64 max_ns;
    u64 slots[SLOTS];
    u64 rows[ROWS];
};

/* Thread -> when its call began; 0 between calls.  Entries stay, which saves an insertion
 * and a deletion every call; those of threads long gone are the first to be evicted. */
BPF_TABLE("lru_hash", u64, u64, starts, STARTS_ENTRIES);
BPF_PERCPU_ARRAY(latencies, struct latencies, 1);

static __always_inline u64 thread(void)
{
    u32 id = bpf_get_current_pid_tgid();
    /* The idle threads of all CPUs have id 0; interrupts run on top of them. */
    return id ? id : 1ULL << 32 | bpf_get_smp_processor_id();
}

/* Keeps an index below a power of two where the verifier sees it: without the barrier the
 * compiler drops the mask as needless. */
static __always_inline u64 bounded(u64 index, u64 size)
{
    asm volatile("" : "+r"(index));
    return index & (size - 1);
}

/* A sixteenth of a power of two: the exponent and the four bits after the leading one. */
static __always_inline u64 slot_of(u64 ns)
{
    u64 slot = ns;
    if (ns >= 16) {
        u64 exponent = bpf_log2l(ns) - 1;
        slot = (exponent - 3) << 4 | (ns >> (exponent - 4) & 15);
    }
    return bounded(slot, SLOTS);
}

#if defined(LINEAR_WIDTH_NS)
static __always_inline u64 row_of(u64 ns)
{
    u64 row = ns / LINEAR_WIDTH_NS;
    return bounded(row < ROWS ? row : ROWS - 1, ROWS);
}
#elif defined(ROW_NS)
static __always_inline u64 row_of(u64 ns)
{
    u64 units = ns / ROW_NS;
    return bounded(units < 2 ? 0 : bpf_log2l(units) - 1, 64);
}
#endif

int entered(void *ctx)
{
    if (!wanted())
        return 0;
    int first = 0;
    struct latencies *seen = latencies.lookup(&first);
    if (!seen)
        return 0;
    /* Atomic although per CPU: a task may be preempted inside the program. */
    __sync_fetch_and_add(&seen->entered, 1);
    u64 key = thread();
    u64 *start = starts.lookup(&key);
    if (!start) {
        u64 none = 0;
        starts.update(&key, &none);
        start = starts.lookup(&key);
        if (!start) {
            __sync_fetch_and_add(&seen->lost, 1);
            return 0;
        }
    }
    if (*start)
        __sync_fetch_and_add(&seen->overwritten, 1);
    *start = bpf_ktime_get_ns();
    return 0;
}

int returned(void *ctx)
{
    u64 now = bpf_ktime_get_ns();
    u64 key = thread();
    u64 *start = starts.lookup(&key);
    int first = 0;
    struct latencies *seen = latencies.lookup(&first);
    if (!seen)
        return 0;
    if (!start || !*start) {
        if (wanted())
            __sync_fetch_and_add(&seen->unmatched, 1);
        return 0;
    }
    u64 ns = now - *start;
    *start = 0;
    __sync_fetch_and_add(&seen->returned, 1);
    __sync_fetch_and_add(&seen->total_ns, ns);
    __sync_fetch_and_add(&seen->slots[slot_of(ns)], 1);
#if defined(LINEAR_WIDTH_NS) || defined(ROW_NS)
    __sync_fetch_and_add(&seen->rows[row_of(ns)], 1);
#endif
    if (ns > seen->max_ns)
        seen->max_ns = ns;
    return 0;
}
