// SPDX-License-Identifier: GPL-2.0-only
/*
 * queue: one value pushed into a queue and popped again.
 *
 * These are two operations, each under the lock of the queue.
 */
BPF_QUEUE(values, u64, 64);
BPF_ARRAY(lost_updates, u64, 1);

int program(void *ctx)
{
    u64 value = 1;
    if (values.push(&value, 0) || values.pop(&value))
        lost_updates.atomic_increment(0);
    return 0;
}
