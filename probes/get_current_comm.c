// SPDX-License-Identifier: GPL-2.0-only
/*
 * get_current_comm: the helper bpf_get_current_comm, called once for all 16 bytes.
 */
int program(void *ctx)
{
    char command[16];
    bpf_get_current_comm(&command, sizeof(command));
    return 0;
}
