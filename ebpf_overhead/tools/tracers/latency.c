// SPDX-License-Identifier: GPL-2.0-only
/*
 * latency: how long calls take, from an entry hook to the return hook of the same thread.
 *
 * Two programs, entered and returned, for any pair of hooks.  The clock is read last in
 * entered and first in returned, so that the reported time includes as little as possible
 * of the tracer's own cost.  All counts are per CPU and in one map value, which user space
 * reads with one system call.
 *
 * Of a recursion the innermost call is timed.  Where the hooks see registers, the stack pointer
 * tells an outer call that goes on from one whose return was not seen: the kernel follows a
 * limited number of calls to their return.  STACK_POINTER is its offset in struct pt_regs, 0
 * where the hooks see none.  GOROUTINE is the offset of the register in which Go keeps its
 * goroutine, which may change threads; 0 for code that is not Go's.
 *
 * A slot of `slots` is a sixteenth of a power of two wide (exact below 16 ns).  Rows of
 * powers of two and percentiles are computed from the slots.  For other units, ROW_NS is
 * the unit in ns, and `rows` counts powers of two of the unit.  For linear histograms,
 * `rows` are LINEAR_WIDTH_NS wide.
 */
#include "filters.h"

#ifndef STARTS_ENTRIES
#define STARTS_ENTRIES 65536
#endif

#define SLOTS 1024
#define ROWS  256

struct latencies {
    u64 entered;          /* calls seen at entry */
    u64 returned;         /* calls timed */
    u64 unmatched;        /* returns of calls whose entry was not seen */
    u64 overwritten;      /* outer calls of a recursion: entered again before they returned */
    u64 lost;             /* calls without room in `starts` */
    u64 unreturned;       /* innermost calls whose return was not seen */
    u64 outer_unreturned; /* outer calls, of those above, whose return was not seen */
    u64 total_ns;
    u64 max_ns;
    u64 slots[SLOTS];
    u64 rows[ROWS];
};

struct call {
    u64 start; /* of the innermost call; 0 if that has returned */
    u64 stack; /* stack pointer at its entry */
    u64 base;  /* stack pointer at the entry of the outermost call */
    u64 outer; /* calls around it */
};

/* Thread -> its calls.  Entries stay, which saves an insertion and a deletion per call.  The
 * entries of ended threads are evicted first. */
BPF_TABLE("lru_hash", u64, struct call, starts, STARTS_ENTRIES);
BPF_PERCPU_ARRAY(latencies, struct latencies, 1);

/* Returns a register of the traced code, 0 for offset 0.  The barrier hides from the compiler
 * that the offset is constant: the loader sets it, and the verifier drops what is not used. */
static __always_inline u64 saved_register(void *ctx, u32 offset)
{
    u64 value = 0;
    asm volatile("" : "+r"(offset));
    if (offset)
        bpf_probe_read_kernel(&value, sizeof(value), ctx + offset);
    return value;
}

/* At the return of a call the stack pointer is a word above that at entry (arm64: the same).  At
 * the return of a call around it, it is a word more above that at least. */
#define ABOVE_BYTES 8

static __always_inline u64 thread(void *ctx)
{
    u64 goroutine = saved_register(ctx, GOROUTINE);
    if (goroutine)
        return goroutine;
    u32 id = bpf_get_current_pid_tgid();
    /* The idle threads of all CPUs have id 0; interrupts run on top of them. */
    return id ? id : 1ULL << 32 | bpf_get_smp_processor_id();
}

/* Keeps an index below a power of two, visibly for the verifier.  Without the barrier the
 * compiler removes the mask. */
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

/* Counts the calls that have left the stack without a return that was seen. */
static __always_inline void forget_lost(struct call *call, u64 stack, struct latencies *seen)
{
    if (!stack || stack < call->base || !(call->start || call->outer))
        return;
    __sync_fetch_and_add(&seen->unreturned, call->start ? 1 : 0);
    __sync_fetch_and_add(&seen->outer_unreturned, call->outer);
    call->start = 0;
    call->outer = 0;
}

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
    u64 key = thread(ctx);
    struct call *call = starts.lookup(&key);
    if (!call) {
        struct call none = {};
        starts.update(&key, &none);
        call = starts.lookup(&key);
        if (!call) {
            __sync_fetch_and_add(&seen->lost, 1);
            return 0;
        }
    }
    u64 stack = saved_register(ctx, STACK_POINTER);
    forget_lost(call, stack, seen);
    if (call->start) {
        __sync_fetch_and_add(&seen->overwritten, 1);
        call->outer++;
    } else if (!call->outer) {
        call->base = stack;
    }
    call->stack = stack;
    call->start = bpf_ktime_get_ns();
    return 0;
}

int returned(void *ctx)
{
    u64 now = bpf_ktime_get_ns();
    u64 key = thread(ctx);
    struct call *call = starts.lookup(&key);
    int first = 0;
    struct latencies *seen = latencies.lookup(&first);
    if (!seen)
        return 0;
    u64 stack = saved_register(ctx, STACK_POINTER);
    if (call && call->start && stack > call->stack + ABOVE_BYTES) {
        __sync_fetch_and_add(&seen->unreturned, 1);
        call->start = 0;
    }
    if (!call || !call->start) {
        if (call && call->outer)
            call->outer--;
        else if (wanted())
            __sync_fetch_and_add(&seen->unmatched, 1);
        return 0;
    }
    u64 ns = now - call->start;
    call->start = 0;
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
