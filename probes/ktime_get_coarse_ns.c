// SPDX-License-Identifier: GPL-2.0-only
/*
 * ktime_get_coarse_ns: the helper bpf_ktime_get_coarse_ns, called once.
 *
 * The monotonic clock at the last tick, so that no hardware is read.
 */
int program(void *ctx)
{
    bpf_ktime_get_coarse_ns();
    return 0;
}
