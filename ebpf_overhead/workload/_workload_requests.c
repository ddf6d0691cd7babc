/* For pthread_tryjoin_np(3) and pipe2(2). */
#define _GNU_SOURCE
#include "_workload_requests.h"
#include "_workload_enter.h"
#include "_workload_sockets.h"
#include "_workload_tasks.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

/* What a thread reads from and writes to: the same socket, or two pipes. */
struct end {
    int in;
    int out;
};

/* The other thread of the current window. */
struct server {
    pthread_t thread;
    uint64_t calls;
    struct end own, theirs;
    atomic_int asked, answered; /* futexes */
    atomic_int ready, over;
};

/* Of the calling thread: _workload_syscalls.c says why. */
static __thread struct server *server;

static void *serve(void *argument)
{
    struct server *self = argument;
    char byte;

    atomic_store(&self->ready, 1);
    for (uint64_t calls = self->calls; calls != 0; calls--)
        if (system_call_3(SYS_read, self->own.in, (long)&byte, 1) != 1 ||
            system_call_3(SYS_write, self->own.out, (long)&byte, 1) != 1)
            break;
    return NULL;
}

LOOP long loop_request(uint64_t calls)
{
    struct end end = server->theirs;
    long asked, result;
    char byte = 0;

    do {
        asked = system_call_3(SYS_write, end.out, (long)&byte, 1);
        result = system_call_3(SYS_read, end.in, (long)&byte, 1);
    } while (--calls != 0);
    return asked < 0 ? asked : result;
}

/* What a call of the stream sends: a system call for the caller, and one for the reader. */
#define STREAMED_BYTES 16384

static void *receive(void *argument)
{
    struct server *self = argument;
    char block[STREAMED_BYTES];

    atomic_store(&self->ready, 1);
    for (uint64_t calls = self->calls; calls != 0; calls--)
        if (system_call_6(SYS_recvfrom, self->own.in, (long)block, sizeof(block), MSG_WAITALL, 0,
                          0) != (long)sizeof(block))
            break;
    return NULL;
}

/* The caller may be ahead of the reader by what the sockets hold. */
LOOP long loop_stream(uint64_t calls)
{
    static const char block[STREAMED_BYTES];
    int out = server->theirs.out;
    long result;

    do {
        result = system_call_3(SYS_write, out, (long)block, sizeof(block));
    } while (--calls != 0);
    return result;
}

static void close_end(struct end end)
{
    close(end.in);
    if (end.out != end.in)
        close(end.out);
}

/* Waits without futex(2), which is what one of the workloads calls. */
static void join(struct server *ending)
{
    while (pthread_tryjoin_np(ending->thread, NULL) == EBUSY)
        sched_yield();
}

/* Calls of a window are alike if the other thread waits before the first one. */
static void wait_until_it_waits(void)
{
    struct timespec shortly = {.tv_nsec = 20000};

    while (!atomic_load(&server->ready))
        sched_yield();
    nanosleep(&shortly, NULL);
}

static const char *start(void *(*serving)(void *))
{
    const char *failed_call = prepare_tasks(server->calls);

    if (failed_call != NULL)
        return failed_call;
    errno = pthread_create(&server->thread, NULL, serving, server);
    if (errno == 0) {
        wait_until_it_waits();
        return NULL;
    }
    finish_tasks();
    return "pthread_create";
}

static const char *allocate(uint64_t calls)
{
    server = calloc(1, sizeof(*server));
    if (server == NULL)
        return "calloc";
    server->calls = calls;
    return NULL;
}

static void release(void)
{
    int error = errno;

    free(server);
    server = NULL;
    errno = error;
}

static const char *start_between(void *(*serving)(void *), struct end own, struct end theirs)
{
    const char *failed_call;
    int error;

    server->own = own;
    server->theirs = theirs;
    failed_call = start(serving);
    if (failed_call != NULL) {
        error = errno;
        close_end(own);
        close_end(theirs);
        errno = error;
        release();
    }
    return failed_call;
}

/* Ends the other thread, which has ended unless the number of its calls was not known. */
static void finish(int cut)
{
    int error = errno;

    if (cut)
        shutdown(server->own.in, SHUT_RDWR);
    close_end(server->theirs);
    join(server);
    close_end(server->own);
    finish_tasks();
    errno = error;
    release();
}

void finish_requests(void)
{
    finish(1);
}

/* The other thread reads all that was sent, and then sees the end. */
void finish_stream(void)
{
    finish(0);
}

const char *prepare_pipes(uint64_t calls)
{
    int questions[2], answers[2];
    const char *failed_call = allocate(calls);

    if (failed_call != NULL)
        return failed_call;
    if (pipe2(questions, O_CLOEXEC) < 0) {
        release();
        return "pipe2";
    }
    if (pipe2(answers, O_CLOEXEC) < 0) {
        close_end((struct end){questions[0], questions[1]});
        release();
        return "pipe2";
    }
    return start_between(serve, (struct end){questions[0], answers[1]},
                         (struct end){answers[0], questions[1]});
}

/* Of two connected sockets, or of the system call that failed. */
static const char *prepare_sockets(void *(*serving)(void *), const char *failed_call,
                                   const int sockets[2])
{
    if (failed_call != NULL) {
        release();
        return failed_call;
    }
    return start_between(serving, (struct end){sockets[0], sockets[0]},
                         (struct end){sockets[1], sockets[1]});
}

const char *prepare_unix(uint64_t calls)
{
    int sockets[2];
    const char *failed_call = allocate(calls);

    if (failed_call != NULL)
        return failed_call;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
        failed_call = "socketpair";
    return prepare_sockets(serve, failed_call, sockets);
}

static const char *prepare_connected(void *(*serving)(void *), const char *(*connect_both)(int[2]),
                                     uint64_t calls)
{
    int sockets[2];
    const char *failed_call = allocate(calls);

    if (failed_call != NULL)
        return failed_call;
    failed_call = connect_both(sockets);
    return prepare_sockets(serving, failed_call, sockets);
}

const char *prepare_tcp(uint64_t calls)
{
    return prepare_connected(serve, connect_tcp, calls);
}

const char *prepare_stream(uint64_t calls)
{
    return prepare_connected(receive, connect_tcp, calls);
}

const char *prepare_udp(uint64_t calls)
{
    return prepare_connected(serve, connect_udp, calls);
}

static void futex_wake(atomic_int *word)
{
    atomic_store(word, 1);
    system_call_6(SYS_futex, (long)word, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
}

/* Calls at least once, and once only unless something else woke it up. */
static void futex_wait(atomic_int *word)
{
    do
        system_call_6(SYS_futex, (long)word, FUTEX_WAIT_PRIVATE, 0, 0, 0, 0);
    while (atomic_load(word) == 0);
    atomic_store(word, 0);
}

static void *serve_futex(void *argument)
{
    struct server *self = argument;

    atomic_store(&self->ready, 1);
    for (uint64_t calls = self->calls; calls != 0; calls--) {
        futex_wait(&self->asked);
        if (atomic_load(&self->over))
            break;
        futex_wake(&self->answered);
    }
    return NULL;
}

LOOP long loop_futexes(uint64_t calls)
{
    struct server *other = server;

    do {
        futex_wake(&other->asked);
        futex_wait(&other->answered);
    } while (--calls != 0);
    return 0;
}

const char *prepare_futexes(uint64_t calls)
{
    const char *failed_call = allocate(calls);

    if (failed_call != NULL)
        return failed_call;
    failed_call = start(serve_futex);
    if (failed_call != NULL)
        release();
    return failed_call;
}

void finish_futexes(void)
{
    int error = errno;

    /* It has ended, unless the number of its calls was not known. */
    if (server->calls == UINT64_MAX) {
        atomic_store(&server->over, 1);
        futex_wake(&server->asked);
    }
    join(server);
    finish_tasks();
    errno = error;
    release();
}
