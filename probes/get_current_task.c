// SPDX-License-Identifier: GPL-2.0-only
/*
 * get_current_task: the helper bpf_get_current_task, called once.
 */
int program(void *ctx)
{
    bpf_get_current_task();
    return 0;
}
