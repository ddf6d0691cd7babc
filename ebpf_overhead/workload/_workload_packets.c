/* For unshare(2) and setns(2). */
#define _GNU_SOURCE
#include "_workload_packets.h"
#include "_workload_enter.h"
#include "_workload_sockets.h"
#include "_workload_veth.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* A packet that does not arrive is an error, and no reason to wait for ever. */
#define PATIENCE_S 5

/* Used by the current window: _workload_syscalls.c says by whom. */
static __thread int sockets[2];

/* Made once, by the first thread that needs them; -1 before. */
static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;
static int receiving_namespace = -1, sending_namespace = -1;

/* What a thread that may enter namespaces does, and what became of it. */
struct errand {
    const char *(*run)(int made[2]);
    const char *failed_call;
    int error;
    int made[2];
};

static void *run_errand(void *argument)
{
    struct errand *errand = argument;

    errand->failed_call = errand->run(errand->made);
    errand->error = errno;
    return NULL;
}

/* In a thread of its own, which ends: the calling thread stays in the namespace that it is in. */
static const char *send_on(struct errand *errand)
{
    pthread_t thread;

    errno = pthread_create(&thread, NULL, run_errand, errand);
    if (errno != 0)
        return "pthread_create";
    pthread_join(thread, NULL);
    errno = errand->error;
    return errand->failed_call;
}

static const char *own_namespace(int made[2])
{
    made[0] = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    return made[0] < 0 ? "openat /proc/thread-self/ns/net" : NULL;
}

static const char *make_loopback(int made[2])
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int control, failed;

    if (unshare(CLONE_NEWNET) < 0)
        return "unshare CLONE_NEWNET";
    control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (control < 0)
        return "socket";
    failed = ioctl(control, SIOCSIFFLAGS, &request);
    close(control);
    return failed ? "ioctl SIOCSIFFLAGS" : own_namespace(made);
}

static const char *make_pair(int made[2])
{
    const char *failed_call;
    int error;

    if (unshare(CLONE_NEWNET) < 0)
        return "unshare CLONE_NEWNET";
    failed_call = make_veth(receiving_namespace);
    if (failed_call == NULL)
        failed_call = own_namespace(made);
    if (failed_call != NULL)
        return failed_call;
    if (setns(receiving_namespace, CLONE_NEWNET) < 0)
        failed_call = "setns";
    else
        failed_call = finish_veth();
    if (failed_call == NULL)
        failed_call = await_veth(made[0], receiving_namespace);
    if (failed_call != NULL) {
        error = errno;
        close(made[0]);
        errno = error;
    }
    return failed_call;
}

static const char *make_once(int *descriptor, const char *(*make)(int made[2]))
{
    struct errand errand = {.run = make};
    const char *failed_call = NULL;

    pthread_mutex_lock(&making);
    if (*descriptor < 0) {
        failed_call = send_on(&errand);
        if (failed_call == NULL)
            *descriptor = errand.made[0];
    }
    pthread_mutex_unlock(&making);
    return failed_call;
}

const char *packet_namespace(int *descriptor)
{
    const char *failed_call = make_once(&receiving_namespace, make_loopback);

    *descriptor = receiving_namespace;
    return failed_call;
}

static const char *be_patient(const int made[2])
{
    struct timeval patience = {.tv_sec = PATIENCE_S};
    int error;

    if (setsockopt(made[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0)
        return NULL;
    error = errno;
    close(made[0]);
    close(made[1]);
    errno = error;
    return "setsockopt SO_RCVTIMEO";
}

static const char *connect_by_loopback(int made[2])
{
    const char *failed_call;

    if (setns(receiving_namespace, CLONE_NEWNET) < 0)
        return "setns";
    failed_call = connect_udp(made);
    return failed_call != NULL ? failed_call : be_patient(made);
}

static const char *connect_by_pair(int made[2])
{
    const char *failed_call = connect_veth(sending_namespace, receiving_namespace, made);

    return failed_call != NULL ? failed_call : be_patient(made);
}

static const char *connect_with(const char *(*connecting)(int made[2]))
{
    struct errand errand = {.run = connecting};
    const char *failed_call = send_on(&errand);

    sockets[0] = errand.made[0];
    sockets[1] = errand.made[1];
    return failed_call;
}

const char *prepare_packet(uint64_t calls)
{
    const char *failed_call = make_once(&receiving_namespace, make_loopback);

    (void)calls;
    return failed_call != NULL ? failed_call : connect_with(connect_by_loopback);
}

const char *prepare_packet_veth(uint64_t calls)
{
    const char *failed_call = make_once(&receiving_namespace, make_loopback);

    (void)calls;
    if (failed_call == NULL)
        failed_call = make_once(&sending_namespace, make_pair);
    return failed_call != NULL ? failed_call : connect_with(connect_by_pair);
}

void finish_packet(void)
{
    int error = errno;

    close(sockets[0]);
    close(sockets[1]);
    errno = error;
}

/* One byte by UDP, and its receipt: it has arrived when the call ends. */
LOOP long loop_packet(uint64_t calls)
{
    int from = sockets[1], to = sockets[0];
    long sent, received;
    char byte = 0;

    do {
        sent = system_call_3(SYS_write, from, (long)&byte, 1);
        received = system_call_3(SYS_read, to, (long)&byte, 1);
    } while (received == 1 && --calls != 0);
    return sent < 0 ? sent : received;
}
