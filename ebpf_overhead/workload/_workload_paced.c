#include "_workload_paced.h"
#include "_workload_clock.h"

static const char *pace_prepared(const struct workload *workload, uint64_t calls, int64_t gap_ns,
                                 int64_t most_ns, struct pace *pace)
{
    int64_t first_ns = now_ns(), next_ns = first_ns, began_ns, ended_ns = first_ns;
    long result = 0;

    *pace = (struct pace){0};
    while (calls-- != 0) {
        do
            began_ns = now_ns();
        while (began_ns < next_ns);
        result = workload->loop(1);
        ended_ns = now_ns();
        if (ended_ns - began_ns <= most_ns) {
            pace->calls++;
            pace->calls_ns += ended_ns - began_ns;
        }
        /* What was missed is not made up for by calls without a gap. */
        next_ns = ended_ns > next_ns + gap_ns ? ended_ns : next_ns + gap_ns;
    }
    pace->window_ns = ended_ns - first_ns;
    return failed_result(workload, result);
}

const char *pace_window(const struct workload *workload, uint64_t calls, int64_t gap_ns,
                        int64_t most_ns, struct pace *pace)
{
    const char *failed_call;

    if (workload->prepare != NULL && (failed_call = workload->prepare(calls)) != NULL)
        return failed_call;
    failed_call = pace_prepared(workload, calls, gap_ns, most_ns, pace);
    if (workload->finish != NULL)
        workload->finish();
    return failed_call;
}
