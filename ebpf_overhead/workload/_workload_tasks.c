#include "_workload_tasks.h"
#include "_workload_enter.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>

char task_name[TASK_NAME_BYTES];

/* Of the calling thread, before the current window. */
static __thread char earlier_name[TASK_NAME_BYTES];
static __thread sigset_t earlier_signals;

const char *make_task_name(void)
{
    unsigned long long chosen;

    if (task_name[0] != 0)
        return NULL;
    if (getrandom(&chosen, sizeof(chosen), GRND_NONBLOCK) != (ssize_t)sizeof(chosen))
        return "getrandom";
    snprintf(task_name, sizeof(task_name), "eo%013llx", chosen & 0xfffffffffffffULL);
    return NULL;
}

const char *prepare_tasks(uint64_t calls)
{
    sigset_t all;

    (void)calls;
    if (prctl(PR_GET_NAME, earlier_name) < 0 || prctl(PR_SET_NAME, task_name) < 0)
        return "prctl PR_SET_NAME";
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &earlier_signals);
    return NULL;
}

void finish_tasks(void)
{
    int error = errno;

    pthread_sigmask(SIG_SETMASK, &earlier_signals, NULL);
    prctl(PR_SET_NAME, earlier_name);
    errno = error;
}

/* The child is a copy of this process, as any fork of it is, and ends at once.  It makes no call
 * of the C library: other threads may have held its locks. */
LOOP long loop_fork_wait(uint64_t calls)
{
    long child, ended;
    int status;

    do {
        child = system_call_6(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);
        if (child == 0)
            for (;;)
                system_call_1(SYS_exit_group, 0);
        ended = system_call_6(SYS_wait4, child, (long)&status, 0, 0, 0, 0);
    } while (--calls != 0);
    if (child < 0)
        return child;
    return ended >= 0 && status != 0 ? -ECHILD : ended;
}
