// SPDX-License-Identifier: GPL-2.0-only
/*
 * ktime_get_boot_ns: the helper bpf_ktime_get_boot_ns, called once.
 *
 * The monotonic clock that also counts the time in suspend.
 */
int program(void *ctx)
{
    bpf_ktime_get_boot_ns();
    return 0;
}
