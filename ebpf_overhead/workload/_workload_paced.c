#include "_workload_paced.h"
#include "_workload_clock.h"

#include <sys/prctl.h>
#include <time.h>

/* By default a sleep may end 50 us later than it should. */
#define LEAST_SLACK_NS 1UL
#define LEAST_SLEEP_NS 1000

/* Returns the time, which is `next_ns` or later. */
static int64_t wait_until(int64_t next_ns, bool sleeps)
{
    int64_t now = now_ns();

    if (sleeps && next_ns - now > LEAST_SLEEP_NS) {
        const struct timespec rest = {(next_ns - now) / 1000000000, (next_ns - now) % 1000000000};

        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &rest, NULL);
    }
    do
        now = now_ns();
    while (now < next_ns);
    return now;
}

static const char *pace_prepared(const struct workload *workload, uint64_t calls,
                                 const struct pacing *pacing, struct pace *pace)
{
    int64_t first_ns = now_ns(), next_ns = first_ns, began_ns, ended_ns = first_ns;
    long result = 0;

    *pace = (struct pace){0};
    while (calls-- != 0) {
        began_ns = wait_until(next_ns, pacing->sleeps);
        result = workload->loop(1);
        ended_ns = now_ns();
        if (ended_ns - began_ns <= pacing->most_ns) {
            pace->calls++;
            pace->calls_ns += ended_ns - began_ns;
        }
        /* What was missed is not made up for by calls without a gap. */
        next_ns += pacing->gap_ns;
        if (ended_ns > next_ns)
            next_ns = ended_ns;
    }
    pace->window_ns = ended_ns - first_ns;
    return failed_result(workload, result);
}

const char *pace_window(const struct workload *workload, uint64_t calls,
                        const struct pacing *pacing, struct pace *pace)
{
    int slack_ns = prctl(PR_GET_TIMERSLACK);
    const char *failed_call;

    if (workload->prepare != NULL && (failed_call = workload->prepare(calls)) != NULL)
        return failed_call;
    if (pacing->sleeps)
        prctl(PR_SET_TIMERSLACK, LEAST_SLACK_NS);
    failed_call = pace_prepared(workload, calls, pacing, pace);
    if (pacing->sleeps && slack_ns > 0)
        prctl(PR_SET_TIMERSLACK, (unsigned long)slack_ns);
    if (workload->finish != NULL)
        workload->finish();
    return failed_call;
}
