// SPDX-License-Identifier: GPL-2.0-only
/*
 * task_storage: a value that hangs on the current task, incremented.
 *
 * What simple does, kept with the task instead of in a hash map: no key, no hashing,
 * nothing that could fill, and gone with the task.
 */
BPF_F_TABLE("task_storage", int, u64, counts, 0, BPF_F_NO_PREALLOC);
BPF_ARRAY(lost_updates, u64, 1);

int program(void *ctx)
{
    void *task = bpf_get_current_task_btf();
    u64 *count = counts.task_storage_get(task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
    if (count)
        __sync_fetch_and_add(count, 1);
    else
        lost_updates.atomic_increment(0);
    return 0;
}
