#include "_workload_syscalls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))
/* As the other loops: _workload_loops.c says why. */
#define LOOP __attribute__((noinline, aligned(64)))

/*
 * System calls with one argument, with three, and with six.  The kernel keeps all registers but the
 * result's (and, on x86_64, two that nobody uses).
 */
#if defined(__x86_64__) && !defined(WORKLOAD_PORTABLE)

ALWAYS_INLINE long system_call_1(long number, long a)
{
    long result;

    __asm__ volatile("syscall" : "=a"(result) : "0"(number), "D"(a) : "rcx", "r11", "memory");
    return result;
}

ALWAYS_INLINE long system_call_3(long number, long a, long b, long c)
{
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"(number), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return result;
}

ALWAYS_INLINE long system_call_6(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

#elif defined(__aarch64__) && !defined(WORKLOAD_PORTABLE)

ALWAYS_INLINE long system_call_1(long number, long a)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;

    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8) : "memory");
    return x0;
}

ALWAYS_INLINE long system_call_3(long number, long a, long b, long c)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;

    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
}

ALWAYS_INLINE long system_call_6(long number, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;

    __asm__ volatile("svc #0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
}

#else

#define system_call_1 syscall
#define system_call_3 syscall
#define system_call_6 syscall

#endif

/* What the window at hand works on.  Prepared for each window, by the thread that times it, and
 * given back before any Python runs: so neither another thread nor a signal handler that measures,
 * too, finds it in use. */
static __thread int descriptor;
static __thread struct sockaddr_in receiver;

void finish_window(void)
{
    int error = errno;

    close(descriptor);
    errno = error;
}

/* A file that is never at its end, never blocks and remembers nothing. */
const char *prepare_read(void)
{
    descriptor = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    return descriptor < 0 ? "openat /dev/zero" : NULL;
}

LOOP long loop_read(uint64_t calls)
{
    int file = descriptor;
    long result;
    char byte;

    do {
        result = system_call_3(SYS_read, file, (long)&byte, 1);
    } while (--calls != 0);
    return result;
}

/* A device node: on every machine, in memory, and opening it does nothing of its own. */
LOOP long loop_openat_close(uint64_t calls)
{
    const char *path = "/dev/null";
    long opened, closed;

    do {
        opened = system_call_3(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC);
        closed = system_call_1(SYS_close, opened);
    } while (--calls != 0);
    return opened < 0 ? opened : closed;
}

/* Binds the socket to a free port of the loopback address, which no packet leaves the machine
 * from, and learns which. */
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

/* Fills the receive buffer, made as small as the kernel lets it be, so that every call of the
 * window finds it full.  By sendmsg(2), which nobody counts as a call of the target. */
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
 * A UDP socket that sends to itself and is never read.  Once its buffer is full, each packet goes
 * the whole way down and up again and is dropped where it would have been queued: every call is
 * like the last, which with a reader would hang on how far behind the reader is.
 */
const char *prepare_sendto(void)
{
    const char *failed_call;

    descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return "socket";
    failed_call = bind_to_loopback();
    if (failed_call == NULL)
        failed_call = fill_receiver();
    if (failed_call != NULL)
        finish_window();
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
