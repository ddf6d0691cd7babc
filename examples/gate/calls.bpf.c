// SPDX-License-Identifier: GPL-2.0-only
/* Counts the system calls of each process: an example of a project that tracks what it costs. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct seen {
    __u64 calls;
    __u64 weight;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1024);
    __type(key, __u32);
    __type(value, struct seen);
} processes SEC(".maps");

SEC("raw_tp/sys_enter")
int count_call(struct bpf_raw_tracepoint_args *context)
{
    __u32 process = bpf_get_current_pid_tgid() >> 32;
    struct seen *seen = bpf_map_lookup_elem(&processes, &process);

    if (!seen) {
        struct seen first = {.calls = 1};

        bpf_map_update_elem(&processes, &process, &first, BPF_ANY);
        return 0;
    }
    seen->calls++;
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
