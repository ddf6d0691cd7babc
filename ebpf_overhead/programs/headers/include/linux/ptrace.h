/* SPDX-License-Identifier: GPL-2.0-only */
#include <linux/sched.h> /* as the kernel's does: tools have TASK_COMM_LEN from there */
#include <uapi/linux/ptrace.h>
