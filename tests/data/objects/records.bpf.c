// SPDX-License-Identifier: GPL-2.0-only
/* What probes/ringbuf_output.c and probes/perf_event_array.c do, at a tracepoint. */
#include "maps.h"

struct event {
    u64 time;
    u64 process;
};

struct {
#ifdef RING
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 1024 * 4096);
#else
    __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
    __uint(key_size, sizeof(int));
    __uint(value_size, sizeof(int));
#endif
} events SEC(".maps");

SEC("tracepoint/syscalls/sys_enter_getpid")
int program(void *ctx)
{
    struct event event = {bpf_ktime_get_ns(), bpf_get_current_pid_tgid()};
#ifdef RING
    bpf_ringbuf_output(&events, &event, sizeof(event), 0);
#else
    bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &event, sizeof(event));
#endif
    return 0;
}
