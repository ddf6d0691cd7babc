// SPDX-License-Identifier: GPL-2.0-only
/*
 * ringbuf_reserve: a record of 16 bytes reserved in a ring buffer, filled and submitted.
 *
 * Compared with ringbuf_output, nothing is copied.  A reader on another CPU takes the records
 * out.  On a machine with one CPU, they are taken out between windows.  Records that do not fit
 * are counted as lost.
 */
#define PAGE_SIZE    4096
#define EVENTS_PAGES 1024

struct event {
    u64 time;
    u64 process;
};

BPF_RINGBUF_OUTPUT(events, EVENTS_PAGES);
BPF_ARRAY(lost_updates, u64, 1);

int program(void *ctx)
{
    struct event *event = events.ringbuf_reserve(sizeof(*event));
    if (!event) {
        lost_updates.atomic_increment(0);
        return 0;
    }
    event->time = bpf_ktime_get_ns();
    event->process = bpf_get_current_pid_tgid();
    events.ringbuf_submit(event, 0);
    return 0;
}
