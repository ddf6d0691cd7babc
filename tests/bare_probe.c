/*
 * A probe without this project: libbpf loads and attaches an object, and getpid is timed with it
 * and without it, in turns. Prints the ns per call without it and with it:
 *
 *     cc -O2 -o bare_probe bare_probe.c -l:libbpf.so.1
 *     ./bare_probe OBJECT CALLS WINDOWS ROUNDS CPU [NAME]
 *
 * NAME is what the process is called meanwhile: a program that copies it takes longer for a long
 * one. It shares no line with the project: what both agree on, neither made up. The header of
 * libbpf is not needed: its functions that are used are declared here.
 */
#define _GNU_SOURCE
#include "bare_call.h"

#include <sys/prctl.h>

struct bpf_object;
struct bpf_program;
struct bpf_link;

struct bpf_object *bpf_object__open(const char *path);
int bpf_object__load(struct bpf_object *object);
void bpf_object__close(struct bpf_object *object);
struct bpf_program *bpf_object__next_program(struct bpf_object *object, struct bpf_program *last);
struct bpf_link *bpf_program__attach(struct bpf_program *program);
int bpf_link__destroy(struct bpf_link *link);

/* Of all windows, this share is faster than what is printed: disturbances only add. */
#define QUANTILE 0.05
/* Calls that are not timed, in which a program inserts what it only updates from then on. */
#define FILLING_CALLS 20000

/* Times windows of calls; the first one warms up and is overwritten by the next. */
static double *time_windows(double *next, long windows, unsigned long calls)
{
    for (long window = -1; window < windows; window++) {
        double start = now_ns();

        for (unsigned long call = 0; call < calls; call++)
            call_getpid();
        next[window < 0 ? 0 : window] = (now_ns() - start) / (double)calls;
    }
    return next + windows;
}

static int compare(const void *first, const void *second)
{
    double one = *(const double *)first, other = *(const double *)second;

    return (one > other) - (one < other);
}

static double quantile(double *values, const double *end)
{
    size_t count = (size_t)(end - values);

    qsort(values, count, sizeof(*values), compare);
    return values[(size_t)((double)count * QUANTILE)];
}

/* Attaches the first program of the object, times calls, and detaches it. */
static double *time_probed(struct bpf_object *object, double *next, long windows,
                           unsigned long calls)
{
    struct bpf_link *link = bpf_program__attach(bpf_object__next_program(object, NULL));

    if (link == NULL)
        fail("bpf_program__attach");
    for (long call = 0; call < FILLING_CALLS; call++)
        call_getpid();
    next = time_windows(next, windows, calls);
    if (bpf_link__destroy(link) != 0)
        fail("bpf_link__destroy");
    return next;
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr, "usage: %s OBJECT CALLS WINDOWS ROUNDS CPU [NAME]\n", argv[0]);
        return 2;
    }
    unsigned long calls = strtoul(argv[2], NULL, 10);
    long windows = atol(argv[3]), rounds = atol(argv[4]);
    size_t room = (size_t)(windows * rounds) * sizeof(double);
    double *without = malloc(room), *with = malloc(room);
    double *end_without = without, *end_with = with;

    if (without == NULL || with == NULL)
        fail("malloc");
    pin(atoi(argv[5]));
    if (argc > 6 && prctl(PR_SET_NAME, argv[6]) != 0)
        fail("prctl");
    for (long round = 0; round < rounds; round++) {
        /* Loaded again in each round: what it costs depends on where it lies. */
        struct bpf_object *object = bpf_object__open(argv[1]);

        if (object == NULL)
            fail("bpf_object__open");
        if (bpf_object__load(object) != 0)
            fail("bpf_object__load");
        end_without = time_windows(end_without, windows, calls);
        end_with = time_probed(object, end_with, windows, calls);
        bpf_object__close(object);
    }
    printf("%.3f %.3f\n", quantile(without, end_without), quantile(with, end_with));
    return 0;
}
