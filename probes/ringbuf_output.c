// SPDX-License-Identifier: GPL-2.0-only
/*
 * ringbuf_output: a record of 16 bytes copied into a ring buffer.
 *
 * A reader on another CPU takes the records out.  On a machine with one CPU, they are taken
 * out between windows.  Records that do not fit are counted as lost.
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
    struct event event = {bpf_ktime_get_ns(), bpf_get_current_pid_tgid()};
    if (events.ringbuf_output(&event, sizeof(event), 0))
        lost_updates.atomic_increment(0);
    return 0;
}
