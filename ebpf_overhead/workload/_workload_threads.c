/* For cpu_set_t of any size. */
#define _GNU_SOURCE
#include "_workload_threads.h"
#include "_workload_clock.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

/* How often the calling thread checks for signals. */
#define LOOK_NS 5000000
/* Calls between two checks of whether the other threads are done. */
#define BUSY_CALLS 100

/* Shared by all threads of a job. */
struct crew {
    struct together *job;
    /* These counters only grow: a barrier opens when enough threads have reached it. */
    atomic_size_t arrived;
    atomic_size_t done;
    atomic_int stop;
    pthread_mutex_t lock; /* guards what follows, and the job's shared results */
    pthread_cond_t ended;
    size_t running;
};

struct member {
    struct crew *crew;
    size_t number;
    pthread_t thread;
};

static void relax(void)
{
#if defined(__x86_64__)
    __asm__ volatile("pause");
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Keeps the first failure only. */
static void fail(struct crew *crew, const char *call, int error, int cpu)
{
    pthread_mutex_lock(&crew->lock);
    if (crew->job->failed_call == NULL) {
        crew->job->failed_call = call;
        crew->job->error = error;
        crew->job->failed_cpu = cpu;
    }
    pthread_mutex_unlock(&crew->lock);
    atomic_store(&crew->stop, 1);
}

/* Spins until all threads are here.  Sleeping threads would wake up one after the other. */
static void meet(struct crew *crew, size_t times)
{
    atomic_fetch_add(&crew->arrived, 1);
    while (atomic_load(&crew->arrived) < times * crew->job->threads && !atomic_load(&crew->stop))
        relax();
}

static int pin(int cpu)
{
    size_t size_bytes = CPU_ALLOC_SIZE((size_t)cpu + 1);
    cpu_set_t *cpus = CPU_ALLOC((size_t)cpu + 1);
    int failed;

    if (cpus == NULL)
        return -1;
    CPU_ZERO_S(size_bytes, cpus);
    CPU_SET_S(cpu, size_bytes, cpus);
    failed = sched_setaffinity(0, size_bytes, cpus);
    CPU_FREE(cpus);
    return failed;
}

/* Returns the number of calls, or sets the crew's failure. */
static uint64_t one_window(struct member *member, size_t window)
{
    struct crew *crew = member->crew;
    struct together *job = crew->job;
    size_t place = member->number * job->windows + window;
    uint64_t calls = job->calls;
    const char *failed_call;
    int64_t ignored_ns;

    job->start_ns[place] = now_ns();
    failed_call = time_window(job->workload, job->calls, &job->elapsed_ns[place]);
    atomic_fetch_add(&crew->done, 1);
    while (failed_call == NULL && job->keep_busy && !atomic_load(&crew->stop) &&
           atomic_load(&crew->done) < (window + 1) * job->threads) {
        failed_call = time_window(job->workload, BUSY_CALLS, &ignored_ns);
        calls += BUSY_CALLS;
    }
    if (failed_call != NULL)
        fail(crew, failed_call, errno, job->cpus[member->number]);
    return calls;
}

static void *work(void *argument)
{
    struct member *member = argument;
    struct crew *crew = member->crew;
    struct together *job = crew->job;
    uint64_t calls = 0;

    if (pin(job->cpus[member->number]) < 0)
        fail(crew, "sched_setaffinity", errno, job->cpus[member->number]);
    for (size_t window = 0; window < job->windows; window++) {
        meet(crew, window + 1);
        if (atomic_load(&crew->stop))
            break;
        calls += one_window(member, window);
    }
    pthread_mutex_lock(&crew->lock);
    job->calls_made += calls;
    crew->running--;
    pthread_cond_signal(&crew->ended);
    pthread_mutex_unlock(&crew->lock);
    return NULL;
}

/* Waits until all threads have ended or `interrupted` asks to stop. */
static int wait_for(struct crew *crew, int (*interrupted)(void))
{
    struct timespec until;
    int stopped = 0;

    pthread_mutex_lock(&crew->lock);
    while (crew->running > 0 && !stopped) {
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += LOOK_NS;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        if (pthread_cond_timedwait(&crew->ended, &crew->lock, &until) == 0)
            continue;
        pthread_mutex_unlock(&crew->lock);
        stopped = interrupted();
        pthread_mutex_lock(&crew->lock);
    }
    pthread_mutex_unlock(&crew->lock);
    return stopped;
}

/* Starts the threads with all signals blocked, because the calling thread handles them.  Returns
 * the number of threads; fewer than wanted is recorded as a failure. */
static size_t start(struct crew *crew, struct member *members)
{
    size_t count, wanted = crew->job->threads;
    sigset_t all, earlier;
    int error = 0;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &earlier);
    crew->running = wanted;
    for (count = 0; count < wanted; count++) {
        members[count] = (struct member){.crew = crew, .number = count};
        error = pthread_create(&members[count].thread, NULL, work, &members[count]);
        if (error != 0)
            break;
    }
    pthread_sigmask(SIG_SETMASK, &earlier, NULL);
    if (error != 0) {
        fail(crew, "pthread_create", error, crew->job->cpus[count]);
        pthread_mutex_lock(&crew->lock);
        crew->running -= wanted - count;
        pthread_mutex_unlock(&crew->lock);
    }
    return count;
}

int run_together(struct together *job, int (*interrupted)(void))
{
    struct crew crew = {.job = job, .lock = PTHREAD_MUTEX_INITIALIZER};
    struct member *members = calloc(job->threads, sizeof(*members));
    pthread_condattr_t attributes;
    size_t count;
    int stopped;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&crew.ended, &attributes);
    if (members == NULL) {
        fail(&crew, "calloc", ENOMEM, job->cpus[0]);
        return -1;
    }
    count = start(&crew, members);
    stopped = wait_for(&crew, interrupted);
    atomic_store(&crew.stop, 1);
    while (count-- > 0)
        pthread_join(members[count].thread, NULL);
    free(members);
    return stopped || job->failed_call != NULL ? -1 : 0;
}
