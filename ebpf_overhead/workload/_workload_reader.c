#include "_workload_reader.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <time.h>

/* Of libbpf.h: the rest of the records is wanted, too. */
#define LIBBPF_PERF_EVENT_CONT (-2)
/* How long it may be asleep when it is told to stop. */
#define POLL_MS 100

int count_ring_record(void *context, void *data, size_t size)
{
    struct reading *reading = context;

    (void)data;
    (void)size;
    atomic_fetch_add_explicit(&reading->records, 1, memory_order_relaxed);
    return 0;
}

/* The layout of PERF_RECORD_LOST in include/uapi/linux/perf_event.h. */
struct lost_record {
    struct perf_event_header header;
    uint64_t id, lost;
};

int count_perf_event(void *context, int cpu, void *event)
{
    const struct perf_event_header *header = event;
    struct reading *reading = context;

    (void)cpu;
    if (header->type == PERF_RECORD_SAMPLE)
        atomic_fetch_add_explicit(&reading->records, 1, memory_order_relaxed);
    else if (header->type == PERF_RECORD_LOST)
        atomic_fetch_add_explicit(&reading->lost, ((const struct lost_record *)event)->lost,
                                  memory_order_relaxed);
    return LIBBPF_PERF_EVENT_CONT;
}

int read_events(int (*poll)(void *, int), int (*consume)(void *), void *buffer, int64_t sleep_ns,
                struct reading *reading)
{
    const struct timespec sleep = {sleep_ns / 1000000000, sleep_ns % 1000000000};
    int found = 0;

    while (!atomic_load_explicit(&reading->stop, memory_order_relaxed)) {
        found = poll != NULL ? poll(buffer, POLL_MS) : consume(buffer);
        if (found < 0 && found != -EINTR)
            break;
        if (sleep_ns > 0)
            nanosleep(&sleep, NULL);
    }
    return found < 0 && found != -EINTR ? found : 0;
}
