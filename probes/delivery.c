// SPDX-License-Identifier: GPL-2.0-only
/*
 * delivery: hands a record of 16 bytes to a reader, and wakes the reader up as it is told.
 *
 * "ebpf-overhead study delivery" loads it with the thread that calls and the flags of the wake-up,
 * and reads the records at different rates.  The programs of other threads return early: the reader
 * makes system calls, too, and would keep itself awake.
 */
#define PAGE_SIZE    4096
#define EVENTS_PAGES 64

/* Values of BUFFER. */
#define NONE 0 /* no record: the cost of the rest of the program */
#define RING 1
#define PERF 2

struct event {
    u64 time;
    u64 process;
};

#if BUFFER == RING
BPF_RINGBUF_OUTPUT(events, EVENTS_PAGES);
#elif BUFFER == PERF
BPF_PERF_OUTPUT(events);
#endif
/* Records made, and those that found no room. */
BPF_ARRAY(outcomes, u64, 2);

int program(void *ctx)
{
    u64 process = bpf_get_current_pid_tgid();
    if ((u32)process != CALLER)
        return 0;
    struct event event = {bpf_ktime_get_ns(), process};
    int made = 0, lost = 1;
    long failed = event.time == 0;
#if BUFFER == RING
    failed = events.ringbuf_output(&event, sizeof(event), WAKEUP);
#elif BUFFER == PERF
    failed = events.perf_submit(ctx, &event, sizeof(event));
#endif
    u64 *count = outcomes.lookup(failed ? &lost : &made);
    if (count)
        (*count)++;
    return 0;
}
