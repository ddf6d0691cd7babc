// SPDX-License-Identifier: GPL-2.0-only
/*
 * probe_read_user: 64 bytes copied from the process's memory.
 *
 * The loader gives the address TARGET_TEXT: a page of the measuring process, which holds a
 * text of 63 characters.  Other processes have no such page, so the copy fails for them.  Only
 * failures of the measuring process count as lost.
 */
BPF_ARRAY(lost_updates, u64, 1);

int program(void *ctx)
{
    char bytes[64];
    if (bpf_probe_read_user(&bytes, sizeof(bytes), (void *)TARGET_TEXT)) {
        struct bpf_pidns_info ids = {};
        bpf_get_ns_current_pid_tgid(TARGET_NS_DEV, TARGET_NS_INO, &ids, sizeof(ids));
        if (ids.tgid == TARGET_NS_PID)
            lost_updates.atomic_increment(0);
    }
    return 0;
}
