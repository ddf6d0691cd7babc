// SPDX-License-Identifier: GPL-2.0-only
/* Programs at hooks that no workload calls, and one that a workload does. */
#include "maps.h"

struct tcp_congestion_ops {
    void (*init)(void *sk);
    void (*cong_avoid)(void *sk, u32 ack, u32 acked);
    u32 (*ssthresh)(void *sk);
    u32 (*undo_cwnd)(void *sk);
    char name[16];
};

SEC("xdp")
int on_packet(struct xdp_md *ctx)
{
    return XDP_PASS;
}

SEC("tc")
int on_queue(struct __sk_buff *ctx)
{
    return 0;
}

SEC("cgroup_skb/egress")
int on_egress(struct __sk_buff *ctx)
{
    return 1;
}

SEC("iter/task")
int on_task(void *ctx)
{
    return 0;
}

SEC("struct_ops/ssthresh")
u32 on_threshold(u64 *ctx)
{
    return 2;
}

SEC("struct_ops/undo_cwnd")
u32 on_undo(u64 *ctx)
{
    return 2;
}

SEC("struct_ops/cong_avoid")
int on_ack(u64 *ctx)
{
    return 0;
}

SEC(".struct_ops")
struct tcp_congestion_ops mine = {
    .cong_avoid = (void *)on_ack,
    .ssthresh = (void *)on_threshold,
    .undo_cwnd = (void *)on_undo,
    .name = "mine",
};

SEC("mine/hook")
int on_nothing(void *ctx)
{
    return 0;
}

SEC("raw_tp/sys_enter")
int on_call(void *ctx)
{
    return 0;
}
