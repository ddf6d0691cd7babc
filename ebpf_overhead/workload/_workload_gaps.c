#include "_workload_gaps.h"

#include <time.h>

/* Nothing adjusts this clock: see _workload_loops.c. */
static const char *read_clock(int64_t *now_ns)
{
    struct timespec now;

    if (clock_gettime(CLOCK_MONOTONIC_RAW, &now))
        return "clock_gettime";
    *now_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    return NULL;
}

/* A gap lies between two readings of the clock, with one call in between.  The gap in which a span
 * is closed still belongs to that span, because the closing thread may have made the caller wait.
 * The new span begins after that gap. */
static const char *watch_prepared(const struct workload *workload, struct watched *watched)
{
    uint64_t span = 0, longest_ns = 0, calls = 0;
    int64_t before_ns, now_ns = 0;
    const char *failed_call = read_clock(&before_ns);

    while (failed_call == NULL && !atomic_load_explicit(&watched->stop, memory_order_relaxed)) {
        workload->loop(1);
        failed_call = read_clock(&now_ns);
        if ((uint64_t)(now_ns - before_ns) > longest_ns)
            longest_ns = (uint64_t)(now_ns - before_ns);
        before_ns = now_ns;
        calls++;
        if (atomic_load_explicit(&watched->span, memory_order_relaxed) != span) {
            atomic_store(&watched->longest_ns, longest_ns);
            atomic_store(&watched->calls, calls);
            longest_ns = calls = 0;
            atomic_store(&watched->closed, ++span);
        }
    }
    return failed_call;
}

const char *watch_workload(const struct workload *workload, struct watched *watched)
{
    const char *failed_call;

    if (workload->prepare != NULL && (failed_call = workload->prepare(UINT64_MAX)) != NULL)
        return failed_call;
    failed_call = watch_prepared(workload, watched);
    if (workload->finish != NULL)
        workload->finish();
    return failed_call;
}
