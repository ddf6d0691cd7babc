// SPDX-License-Identifier: GPL-2.0-only
/* Reads a field of the kernel's task, which lies elsewhere in every kernel; FIELD names it. */
#include "maps.h"

#include <bpf/bpf_core_read.h>

struct task_struct {
    int pid;
    int tgid;
    int no_such_field;
} __attribute__((preserve_access_index));

u64 seen;

SEC("tp_btf/sys_enter")
int core(void *ctx)
{
    struct task_struct *task = (void *)bpf_get_current_task();
    seen = BPF_CORE_READ(task, FIELD);
    return 0;
}
