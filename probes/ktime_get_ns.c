// SPDX-License-Identifier: GPL-2.0-only
/*
 * ktime_get_ns: the helper bpf_ktime_get_ns, called once.
 *
 * The monotonic clock, safe in any context.
 */
int program(void *ctx)
{
    bpf_ktime_get_ns();
    return 0;
}
