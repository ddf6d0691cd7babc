// SPDX-License-Identifier: GPL-2.0-only
/*
 * tail_call: a jump into a second program, which does nothing.
 *
 * The loader puts the function "tail" into the first slot of "tail_calls".  A tail call that
 * succeeds does not return.
 */
BPF_PROG_ARRAY(tail_calls, 1);
BPF_ARRAY(lost_updates, u64, 1);

int tail(void *ctx)
{
    return 0;
}

int program(void *ctx)
{
    tail_calls.call(ctx, 0);
    lost_updates.atomic_increment(0);
    return 0;
}
