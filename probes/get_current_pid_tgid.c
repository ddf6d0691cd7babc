// SPDX-License-Identifier: GPL-2.0-only
/*
 * get_current_pid_tgid: the helper bpf_get_current_pid_tgid, called once.
 */
int program(void *ctx)
{
    bpf_get_current_pid_tgid();
    return 0;
}
