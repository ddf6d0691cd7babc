// SPDX-License-Identifier: GPL-2.0-only
/*
 * stack_kernel: the kernel's stack walked and stored under its id.
 *
 * The stack is always the same, so the kernel finds it and does not store it again.
 */
struct stack {
    u64 addresses[127];
};

BPF_TABLE("stacktrace", int, struct stack, stacks, 1024);
BPF_ARRAY(lost_updates, u64, 1);

int program(void *ctx)
{
    if (stacks.get_stackid(ctx, BPF_F_REUSE_STACKID) < 0)
        lost_updates.atomic_increment(0);
    return 0;
}
