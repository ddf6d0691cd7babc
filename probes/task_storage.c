// SPDX-License-Identifier: GPL-2.0-only
/*
 * task_storage: a value that belongs to the current task, incremented.
 *
 * It does the same as simple, but the value is kept with the task instead of in a hash map.
 * There is no key and no hash, nothing can fill, and the value goes with the task.
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
