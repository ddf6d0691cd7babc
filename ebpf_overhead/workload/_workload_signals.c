#define _GNU_SOURCE
#include "_workload_signals.h"
#include "_workload_enter.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

/* The last one, which hardly anybody uses. */
#define SIGNAL SIGRTMAX

/* What a signal does holds for the whole process, where several threads may measure: the first one
 * sets it, and the last one gives back what was there. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned users;
static struct sigaction before;

/* Of the thread that measures. */
static __thread long process, thread;
static __thread sigset_t blocked;

static void handle(int number)
{
    (void)number;
}

const char *prepare_signal(uint64_t calls)
{
    struct sigaction ours = {.sa_handler = handle};
    sigset_t wanted;
    int failed = 0;

    (void)calls;
    pthread_mutex_lock(&lock);
    if (users == 0)
        failed = sigaction(SIGNAL, &ours, &before);
    if (failed == 0)
        users++;
    pthread_mutex_unlock(&lock);
    if (failed != 0)
        return "rt_sigaction";
    process = getpid();
    thread = system_call_1(SYS_gettid, 0);
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGNAL);
    pthread_sigmask(SIG_UNBLOCK, &wanted, &blocked);
    return NULL;
}

void finish_signal(void)
{
    int error = errno;

    pthread_sigmask(SIG_SETMASK, &blocked, NULL);
    pthread_mutex_lock(&lock);
    if (--users == 0)
        sigaction(SIGNAL, &before, NULL);
    pthread_mutex_unlock(&lock);
    errno = error;
}

/* The handler runs when the system call is over, and returns by another one, rt_sigreturn. */
LOOP long loop_signal(uint64_t calls)
{
    long to_process = process, to_thread = thread, number = SIGNAL;
    long result;

    do {
        result = system_call_3(SYS_tgkill, to_process, to_thread, number);
    } while (--calls != 0);
    return result;
}
