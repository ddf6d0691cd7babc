// SPDX-License-Identifier: GPL-2.0-only
/*
 * stack_user: the process's own stack walked and stored under its id.
 *
 * The walk uses frame pointers.  So its depth depends on how the process and its libraries were
 * compiled.  Without frame pointers it ends after one or two frames.
 */
struct stack {
    u64 addresses[127];
};

BPF_TABLE("stacktrace", int, struct stack, stacks, 1024);
BPF_ARRAY(lost_updates, u64, 1);

int program(void *ctx)
{
    if (stacks.get_stackid(ctx, BPF_F_USER_STACK | BPF_F_REUSE_STACKID) < 0)
        lost_updates.atomic_increment(0);
    return 0;
}
