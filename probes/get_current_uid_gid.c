// SPDX-License-Identifier: GPL-2.0-only
/*
 * get_current_uid_gid: the helper bpf_get_current_uid_gid, called once.
 */
int program(void *ctx)
{
    bpf_get_current_uid_gid();
    return 0;
}
