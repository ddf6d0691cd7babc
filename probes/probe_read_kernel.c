// SPDX-License-Identifier: GPL-2.0-only
/*
 * probe_read_kernel: 64 bytes copied from the kernel's memory, the current task's.
 *
 * It includes get_current_task: subtract that for the copy alone.
 */
BPF_ARRAY(lost_updates, u64, 1);

int program(void *ctx)
{
    char bytes[64];
    if (bpf_probe_read_kernel(&bytes, sizeof(bytes), (void *)bpf_get_current_task()))
        lost_updates.atomic_increment(0);
    return 0;
}
