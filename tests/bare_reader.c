/*
 * A tool that reads records, without this project: libbpf loads an object and attaches it, and a
 * thread sleeps until records wake it up.
 *
 *     cc -O2 -pthread -o bare_reader bare_reader.c -l:libbpf.so.1
 *     ./bare_reader OBJECT ring|perf
 *
 * A line of its input attaches the object's first program, the next one detaches it; each time it
 * prints how many records were read.  tracefs is mounted for this process alone.  The header of
 * libbpf is not needed: its functions that are used are declared here.
 */
#define _GNU_SOURCE
#include "bare_call.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mount.h>

#define PERF_PAGES 64
#define POLL_MS    100

struct bpf_object;
struct bpf_program;
struct bpf_link;

struct bpf_object *bpf_object__open(const char *path);
int bpf_object__load(struct bpf_object *object);
int bpf_object__find_map_fd_by_name(const struct bpf_object *object, const char *name);
struct bpf_program *bpf_object__next_program(struct bpf_object *object, struct bpf_program *last);
struct bpf_link *bpf_program__attach(struct bpf_program *program);
int bpf_link__destroy(struct bpf_link *link);
void *ring_buffer__new(int fd, int (*sample)(void *, void *, size_t), void *context, void *options);
int ring_buffer__poll(void *buffer, int timeout_ms);
void *perf_buffer__new(int fd, size_t pages, void (*sample)(void *, int, void *, unsigned int),
                       void *lost, void *context, void *options);
int perf_buffer__poll(void *buffer, int timeout_ms);

static _Atomic long records;
static void *buffer;
static int (*poll_buffer)(void *, int);

static int count_in_ring(void *context, void *data, size_t size)
{
    (void)context, (void)data, (void)size;
    records++;
    return 0;
}

static void count_of_cpu(void *context, int cpu, void *data, unsigned int size)
{
    (void)context, (void)cpu, (void)data, (void)size;
    records++;
}

static void *read_records(void *unused)
{
    for (;;)
        poll_buffer(buffer, POLL_MS);
    return unused;
}

static void open_buffer(int fd, int ring)
{
    buffer = ring ? ring_buffer__new(fd, count_in_ring, NULL, NULL)
                  : perf_buffer__new(fd, PERF_PAGES, count_of_cpu, NULL, NULL, NULL);
    if (buffer == NULL)
        fail("the buffer");
    poll_buffer = ring ? ring_buffer__poll : perf_buffer__poll;
}

int main(int argc, char **argv)
{
    struct bpf_link *link = NULL;
    struct bpf_object *object;
    char line[32];
    pthread_t thread;

    if (argc != 3) {
        fprintf(stderr, "usage: %s OBJECT ring|perf\n", argv[0]);
        return 2;
    }
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", "/sys/kernel/tracing", "tracefs", 0, NULL) != 0)
        fail("mounting tracefs");
    object = bpf_object__open(argv[1]);
    if (object == NULL || bpf_object__load(object) != 0)
        fail(argv[1]);
    open_buffer(bpf_object__find_map_fd_by_name(object, "events"), !strcmp(argv[2], "ring"));
    if (pthread_create(&thread, NULL, read_records, NULL) != 0)
        fail("pthread_create");
    while (fgets(line, sizeof(line), stdin) != NULL) {
        if (link != NULL) {
            bpf_link__destroy(link);
            link = NULL;
        } else if ((link = bpf_program__attach(bpf_object__next_program(object, NULL))) == NULL) {
            fail("bpf_program__attach");
        }
        printf("%ld\n", records);
        fflush(stdout);
    }
    return 0;
}
