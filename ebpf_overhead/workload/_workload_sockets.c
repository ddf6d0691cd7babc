/* For accept4(2). */
#define _GNU_SOURCE
#include "_workload_sockets.h"
#include "_workload_enter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

/* Used by the current window: _workload_syscalls.c says by whom. */
static __thread int descriptor;
static __thread struct sockaddr_in receiver;

void finish_socket(void)
{
    int error = errno;

    close(descriptor);
    errno = error;
}

/* Binds the socket to a free port of the loopback address, from which no packet leaves the machine,
 * and stores the port. */
static const char *bind_to_loopback(void)
{
    socklen_t size_bytes = sizeof(receiver);

    memset(&receiver, 0, sizeof(receiver));
    receiver.sin_family = AF_INET;
    receiver.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(descriptor, (struct sockaddr *)&receiver, sizeof(receiver)) < 0)
        return "bind to 127.0.0.1";
    if (getsockname(descriptor, (struct sockaddr *)&receiver, &size_bytes) < 0)
        return "getsockname";
    return NULL;
}

/* A socket that is bound: it connects to itself. */
const char *prepare_udp_connect(uint64_t calls)
{
    const char *failed_call;

    (void)calls;
    descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return "socket";
    failed_call = bind_to_loopback();
    if (failed_call != NULL)
        finish_socket();
    return failed_call;
}

/* Makes the receive buffer as small as the kernel allows, and fills it, so that every call of the
 * window finds it full.  It uses sendmsg(2), which is not counted as a call of the workload. */
static const char *fill_receiver(void)
{
    int smallest = 0, used_up = 64;
    char byte = 0;
    struct iovec data = {&byte, 1};
    struct msghdr message = {
        .msg_name = &receiver, .msg_namelen = sizeof(receiver), .msg_iov = &data, .msg_iovlen = 1};

    if (setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &smallest, sizeof(smallest)) < 0)
        return "setsockopt SO_RCVBUF";
    while (used_up-- > 0)
        if (sendmsg(descriptor, &message, 0) < 0)
            return "sendmsg to 127.0.0.1";
    return NULL;
}

/*
 * A UDP socket that sends to itself and is never read.  Once its buffer is full, each packet passes
 * the whole network stack and is dropped instead of queued.  So all calls are alike.  With a
 * reader, a call would depend on how far behind the reader is.
 */
const char *prepare_sendto(uint64_t calls)
{
    const char *failed_call = prepare_udp_connect(calls);

    if (failed_call != NULL)
        return failed_call;
    failed_call = fill_receiver();
    if (failed_call != NULL)
        finish_socket();
    return failed_call;
}

LOOP long loop_sendto(uint64_t calls)
{
    int socket_fd = descriptor;
    struct sockaddr_in address = receiver;
    long result;
    char byte = 0;

    do {
        result = system_call_6(SYS_sendto, socket_fd, (long)&byte, 1, 0, (long)&address,
                               sizeof(address));
    } while (--calls != 0);
    return result;
}

/* Nothing is sent: the route is looked up, and the address kept. */
LOOP long loop_udp_connect(uint64_t calls)
{
    int socket_fd = descriptor;
    struct sockaddr_in address = receiver;
    long result;

    do {
        result = system_call_3(SYS_connect, socket_fd, (long)&address, sizeof(address));
    } while (--calls != 0);
    return result;
}

/*
 * A socket that listens.  What it accepts is closed with a reset (the time to linger, 0 s, is
 * inherited), so that no connection stays in TIME_WAIT and ports do not run out.
 */
static const char *listen_on_loopback(void)
{
    struct linger at_once = {.l_onoff = 1};
    const char *failed_call;

    descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return "socket";
    failed_call = bind_to_loopback();
    if (failed_call == NULL &&
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) < 0)
        failed_call = "setsockopt SO_LINGER";
    if (failed_call == NULL && listen(descriptor, 16) < 0)
        failed_call = "listen";
    if (failed_call != NULL)
        finish_socket();
    return failed_call;
}

/* What a thread of its own has prepared. */
struct listener {
    const char *failed_call;
    int error;
    int descriptor;
    struct sockaddr_in address;
};

static void *prepare_listener(void *argument)
{
    struct listener *made = argument;

    made->failed_call = listen_on_loopback();
    made->error = errno;
    made->descriptor = descriptor;
    made->address = receiver;
    return NULL;
}

/* In another thread: the calling thread's system calls are counted, and socket(2) is one of those
 * that a call of the workload makes. */
const char *prepare_tcp_connect(uint64_t calls)
{
    struct listener made = {NULL};
    pthread_t thread;

    (void)calls;
    errno = pthread_create(&thread, NULL, prepare_listener, &made);
    if (errno != 0)
        return "pthread_create";
    pthread_join(thread, NULL);
    descriptor = made.descriptor;
    receiver = made.address;
    errno = made.error;
    return made.failed_call;
}

/* Without close(2), for the same reason. */
void finish_tcp_connect(void)
{
    int error = errno;

    syscall(SYS_close_range, descriptor, descriptor, 0);
    errno = error;
}

static void close_both(int first, int second)
{
    int error = errno;

    if (first >= 0)
        close(first);
    if (second >= 0)
        close(second);
    errno = error;
}

/* Small packets leave at once, as those of servers that answer requests do. */
static const char *hurry(const int sockets[2])
{
    int yes = 1;

    for (int i = 0; i < 2; i++)
        if (setsockopt(sockets[i], IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) < 0)
            return "setsockopt TCP_NODELAY";
    return NULL;
}

const char *connect_tcp(int sockets[2])
{
    const char *failed_call = listen_on_loopback();

    if (failed_call != NULL)
        return failed_call;
    sockets[0] = -1;
    sockets[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (sockets[1] < 0)
        failed_call = "socket";
    else if (connect(sockets[1], (struct sockaddr *)&receiver, sizeof(receiver)) < 0)
        failed_call = "connect to 127.0.0.1";
    else if ((sockets[0] = accept4(descriptor, NULL, NULL, SOCK_CLOEXEC)) < 0)
        failed_call = "accept4";
    else
        failed_call = hurry(sockets);
    finish_socket();
    if (failed_call != NULL)
        close_both(sockets[0], sockets[1]);
    return failed_call;
}

const char *connect_udp(int sockets[2])
{
    struct sockaddr_in address[2];
    const char *failed_call = NULL;

    sockets[0] = sockets[1] = -1;
    for (int i = 0; failed_call == NULL && i < 2; i++) {
        sockets[i] = descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        failed_call = descriptor < 0 ? "socket" : bind_to_loopback();
        address[i] = receiver;
    }
    for (int i = 0; failed_call == NULL && i < 2; i++)
        if (connect(sockets[i], (struct sockaddr *)&address[1 - i], sizeof(address[0])) < 0)
            failed_call = "connect to 127.0.0.1";
    if (failed_call != NULL)
        close_both(sockets[0], sockets[1]);
    return failed_call;
}

/* Both ends of a connection, from the first packet to the last. */
LOOP long loop_tcp_connect(uint64_t calls)
{
    int listener = descriptor;
    struct sockaddr_in address = receiver;
    long client, connected, served, result;

    do {
        client = system_call_3(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        connected = system_call_3(SYS_connect, client, (long)&address, sizeof(address));
        if (connected < 0)
            break; /* to accept would wait for ever */
        served = system_call_6(SYS_accept4, listener, 0, 0, SOCK_CLOEXEC, 0, 0);
        system_call_1(SYS_close, served);
        result = system_call_1(SYS_close, client);
    } while (--calls != 0);
    if (connected < 0) {
        system_call_1(SYS_close, client);
        return client < 0 ? client : connected;
    }
    return served < 0 ? served : result;
}
