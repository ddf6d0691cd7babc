/*
 * The loop of the extension without Python, to compare it with: times getpid as a raw system call
 * and prints the ns per call of the fastest window.
 *
 *     cc -O2 -o bare_loop bare_loop.c && ./bare_loop CALLS WINDOWS [CPU]
 *
 * It shares no line with the extension: what both agree on, neither made up.
 */
#define _GNU_SOURCE
#include "bare_call.h"

static double window_ns_per_call(unsigned long calls)
{
    double start = now_ns();

    for (unsigned long call = 0; call < calls; call++)
        call_getpid();
    return (now_ns() - start) / (double)calls;
}

int main(int argc, char **argv)
{
    double fastest = -1;

    if (argc < 3) {
        fprintf(stderr, "usage: %s CALLS WINDOWS [CPU]\n", argv[0]);
        return 2;
    }
    if (argc > 3)
        pin(atoi(argv[3]));
    for (long window = 0; window < atol(argv[2]); window++) {
        double ns = window_ns_per_call(strtoul(argv[1], NULL, 10));

        if (fastest < 0 || ns < fastest)
            fastest = ns;
    }
    printf("%.3f\n", fastest);
    return 0;
}
