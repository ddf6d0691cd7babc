/* SPDX-License-Identifier: GPL-2.0-only */
/* What programs that use helpers only need of it.  A task's fields are not here. */
#ifndef EBPF_OVERHEAD_SCHED_H
#define EBPF_OVERHEAD_SCHED_H

#include <linux/types.h>

#define TASK_COMM_LEN 16

struct task_struct;

#endif
