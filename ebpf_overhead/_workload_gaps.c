#include "_workload_gaps.h"

#include <time.h>

/* Nothing steers it, see _workload_loops.c. */
static const char *read_clock(int64_t *now_ns)
{
    struct timespec now;

    if (clock_gettime(CLOCK_MONOTONIC_RAW, &now))
        return "clock_gettime";
    *now_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    return NULL;
}

/* A gap is from one reading of the clock to the next, with one call in between.  The one during
 * which a span is closed still belongs to it: who closed it may have made the caller wait until
 * then.  The new span begins after that. */
static const char *watch_prepared(const struct target *target, struct watched *watched)
{
    uint64_t span = 0, longest_ns = 0, calls = 0;
    int64_t before_ns, now_ns;
    const char *failed_call = read_clock(&before_ns);

    while (failed_call == NULL && !atomic_load_explicit(&watched->stop, memory_order_relaxed)) {
        target->loop(1);
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

const char *watch_target(const struct target *target, struct watched *watched)
{
    const char *failed_call;

    if (target->prepare != NULL && (failed_call = target->prepare()) != NULL)
        return failed_call;
    failed_call = watch_prepared(target, watched);
    if (target->finish != NULL)
        target->finish();
    return failed_call;
}
