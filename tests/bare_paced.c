/*
 * A process that calls getpid at a rate, and works or sleeps in between:
 *
 *     cc -O2 -o bare_paced bare_paced.c
 *     ./bare_paced CALLS_PER_S works|sleeps
 *
 * For each line of its input, which is a number of calls, it makes them and prints the ns per call,
 * each timed by itself.  Calls of more than 0.3 ms do not count: another task had the CPU. It shares
 * no line with the project: what both agree on, neither made up.
 */
#define _GNU_SOURCE
#include "bare_call.h"

#include <string.h>
#include <sys/prctl.h>

#define MOST_NS       300000
#define LEAST_WAIT_NS 1000

static double wait_until(double next_ns, int sleeps)
{
    double now = now_ns();

    if (sleeps && next_ns - now > LEAST_WAIT_NS) {
        struct timespec rest = {0, (long)(next_ns - now)};

        clock_nanosleep(CLOCK_MONOTONIC, 0, &rest, NULL);
        now = now_ns();
    }
    while (now < next_ns)
        now = now_ns();
    return now;
}

static double mean_ns(long calls, double gap_ns, int sleeps)
{
    double next_ns = now_ns(), sum_ns = 0;
    long counted = 0;

    while (calls-- > 0) {
        double began_ns = wait_until(next_ns, sleeps), ended_ns;

        call_getpid();
        ended_ns = now_ns();
        if (ended_ns - began_ns <= MOST_NS) {
            sum_ns += ended_ns - began_ns;
            counted++;
        }
        next_ns = ended_ns > next_ns + gap_ns ? ended_ns : next_ns + gap_ns;
    }
    return sum_ns / (double)counted;
}

int main(int argc, char **argv)
{
    char line[32];

    if (argc != 3) {
        fprintf(stderr, "usage: %s CALLS_PER_S works|sleeps\n", argv[0]);
        return 2;
    }
    prctl(PR_SET_TIMERSLACK, 1UL);
    while (fgets(line, sizeof(line), stdin) != NULL) {
        printf("%.1f\n", mean_ns(atol(line), 1e9 / atof(argv[1]), !strcmp(argv[2], "sleeps")));
        fflush(stdout);
    }
    return 0;
}
