// SPDX-License-Identifier: GPL-2.0-only
/*
 * perf_event_array: a record of 16 bytes copied into this CPU's perf buffer.
 *
 * A reader on another CPU takes the records out.  On a machine with one CPU, they are taken
 * out between windows.  Records that do not fit are counted as lost.
 */
struct event {
    u64 time;
    u64 process;
};

BPF_PERF_OUTPUT(events);
BPF_ARRAY(lost_updates, u64, 1);

int program(void *ctx)
{
    struct event event = {bpf_ktime_get_ns(), bpf_get_current_pid_tgid()};
    if (events.perf_submit(ctx, &event, sizeof(event)))
        lost_updates.atomic_increment(0);
    return 0;
}
