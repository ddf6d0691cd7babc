// SPDX-License-Identifier: GPL-2.0-only
/*
 * empty: does nothing at all.
 *
 * What remains is the hook itself: the kernel's way from the workload to a BPF program and
 * back.
 */
int program(void *ctx)
{
    return 0;
}
