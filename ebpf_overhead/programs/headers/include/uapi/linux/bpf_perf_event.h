/* SPDX-License-Identifier: GPL-2.0-only */
/* The context of a program that samples. */
#ifndef EBPF_OVERHEAD_BPF_PERF_EVENT_H
#define EBPF_OVERHEAD_BPF_PERF_EVENT_H

#include <uapi/linux/ptrace.h>

struct bpf_perf_event_data {
    struct pt_regs regs;
    u64 sample_period, addr;
};

#endif
