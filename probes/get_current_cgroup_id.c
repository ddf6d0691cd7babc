// SPDX-License-Identifier: GPL-2.0-only
/*
 * get_current_cgroup_id: the helper bpf_get_current_cgroup_id, called once.
 */
int program(void *ctx)
{
    bpf_get_current_cgroup_id();
    return 0;
}
