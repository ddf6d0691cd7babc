/*
 * Workloads that start tasks: a process, a program, a thread.  Nothing here uses Python.
 */
#ifndef EBPF_OVERHEAD_WORKLOAD_TASKS_H
#define EBPF_OVERHEAD_WORKLOAD_TASKS_H

#include "_workload_functions.h"

#include <stdint.h>

#pragma GCC visibility push(hidden)

/* The name of the tasks that work for a workload.  No other process has it: by it, BPF programs
 * tell these tasks from others.  TASK_NAME_BYTES is what the kernel keeps of a name. */
#define TASK_NAME_BYTES 16
extern char task_name[TASK_NAME_BYTES];

/* Makes the name, once per process.  Returns NULL, or the system call that failed, with errno. */
const char *make_task_name(void);

/* Gives the calling thread that name, which tasks that it starts inherit, and blocks its signals: a
 * task that it starts does not run this process's handlers.  `finish_tasks` undoes both. */
const char *prepare_tasks(uint64_t calls);
void finish_tasks(void);

long loop_fork_wait(uint64_t calls);
#ifdef WORKLOAD_ASSEMBLY
const char *prepare_exec(uint64_t calls);
void finish_exec(void);
long loop_exec(uint64_t calls);
long loop_thread_create(uint64_t calls);
#endif

#pragma GCC visibility pop

#endif
