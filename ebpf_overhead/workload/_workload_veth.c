/* For setns(2). */
#define _GNU_SOURCE
#include "_workload_veth.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* How long a packet is waited for, and how often one is sent. */
#define ARRIVAL_MS 10
#define SENDINGS   500

#define SENDER_ADDRESS   "10.0.0.1"
#define RECEIVER_ADDRESS "10.0.0.2"
#define NETWORK_MASK     "255.255.255.0"

/* Addresses of devices that nobody was given: the second bit of the first byte. */
static const unsigned char sender_hardware[6] = {2, 0, 0, 0, 0, 1};
static const unsigned char receiver_hardware[6] = {2, 0, 0, 0, 0, 2};

struct message {
    struct nlmsghdr header;
    struct ifinfomsg link;
    char room[256];
};

static void *end_of(struct message *message)
{
    return (char *)message + message->header.nlmsg_len;
}

static struct rtattr *add(struct message *message, unsigned short type, const void *data,
                          size_t size_bytes)
{
    struct rtattr *attribute = end_of(message);

    attribute->rta_type = type;
    attribute->rta_len = (unsigned short)RTA_LENGTH(size_bytes);
    if (size_bytes != 0)
        memcpy(RTA_DATA(attribute), data, size_bytes);
    message->header.nlmsg_len += RTA_ALIGN(attribute->rta_len);
    return attribute;
}

static void close_nest(struct message *message, struct rtattr *nest)
{
    nest->rta_len = (unsigned short)((char *)end_of(message) - (char *)nest);
}

/* Sends the message and waits for the kernel's answer. */
static const char *ask_kernel(struct message *message)
{
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        char room[512];
    } answer = {0};
    int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    int error;

    if (netlink < 0)
        return "socket AF_NETLINK";
    if (send(netlink, message, message->header.nlmsg_len, 0) < 0 ||
        recv(netlink, &answer, sizeof(answer), 0) < 0)
        error = errno;
    else
        error = answer.header.nlmsg_type == NLMSG_ERROR ? -answer.error.error : EPROTO;
    close(netlink);
    errno = error;
    return error == 0 ? NULL : "netlink RTM_NEWLINK veth";
}

static const char *make_pair(int receiving_namespace)
{
    static const struct ifinfomsg peer_link;
    struct message message = {
        .header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
                   .nlmsg_type = RTM_NEWLINK,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK}};
    struct rtattr *info, *data, *peer;

    add(&message, IFLA_IFNAME, VETH_SENDER, sizeof(VETH_SENDER));
    add(&message, IFLA_ADDRESS, sender_hardware, sizeof(sender_hardware));
    info = add(&message, IFLA_LINKINFO, NULL, 0);
    add(&message, IFLA_INFO_KIND, "veth", 4);
    data = add(&message, IFLA_INFO_DATA, NULL, 0);
    peer = add(&message, VETH_INFO_PEER, &peer_link, sizeof(peer_link));
    add(&message, IFLA_IFNAME, VETH_RECEIVER, sizeof(VETH_RECEIVER));
    add(&message, IFLA_ADDRESS, receiver_hardware, sizeof(receiver_hardware));
    add(&message, IFLA_NET_NS_FD, &receiving_namespace, sizeof(receiving_namespace));
    close_nest(&message, peer);
    close_nest(&message, data);
    close_nest(&message, info);
    return ask_kernel(&message);
}

static struct sockaddr_in inet_address(const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET};

    inet_pton(AF_INET, text, &address.sin_addr);
    return address;
}

/* Else the device would send packets of its own, to find neighbours and routers.  Without the file
 * there is no IPv6. */
static void switch_ipv6_off(void)
{
    int file = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC);

    if (file >= 0 && write(file, "1", 1) < 0)
        errno = 0;
    if (file >= 0)
        close(file);
}

static const char *set_up(int control, const char *device, const char *text)
{
    struct sockaddr_in address = inet_address(text), mask = inet_address(NETWORK_MASK);
    struct ifreq request = {0};

    strcpy(request.ifr_name, device);
    memcpy(&request.ifr_addr, &address, sizeof(address));
    if (ioctl(control, SIOCSIFADDR, &request) < 0)
        return "ioctl SIOCSIFADDR";
    memcpy(&request.ifr_netmask, &mask, sizeof(mask));
    if (ioctl(control, SIOCSIFNETMASK, &request) < 0)
        return "ioctl SIOCSIFNETMASK";
    request.ifr_flags = IFF_UP;
    return ioctl(control, SIOCSIFFLAGS, &request) < 0 ? "ioctl SIOCSIFFLAGS" : NULL;
}

/* So that the sender need not ask for it, now and again. */
static const char *tell_neighbour(int control)
{
    struct sockaddr_in address = inet_address(RECEIVER_ADDRESS);
    struct arpreq request = {.arp_flags = ATF_PERM | ATF_COM, .arp_dev = VETH_SENDER};

    memcpy(&request.arp_pa, &address, sizeof(address));
    request.arp_ha.sa_family = ARPHRD_ETHER;
    memcpy(request.arp_ha.sa_data, receiver_hardware, sizeof(receiver_hardware));
    return ioctl(control, SIOCSARP, &request) < 0 ? "ioctl SIOCSARP" : NULL;
}

static const char *configure(const char *device, const char *address, int sends)
{
    const char *failed_call;
    int error, control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (control < 0)
        return "socket";
    failed_call = set_up(control, device, address);
    if (failed_call == NULL && sends)
        failed_call = tell_neighbour(control);
    error = errno;
    close(control);
    errno = error;
    return failed_call;
}

const char *make_veth(int receiving_namespace)
{
    const char *failed_call;

    switch_ipv6_off();
    failed_call = make_pair(receiving_namespace);
    return failed_call != NULL ? failed_call : configure(VETH_SENDER, SENDER_ADDRESS, 1);
}

const char *finish_veth(void)
{
    return configure(VETH_RECEIVER, RECEIVER_ADDRESS, 0);
}

static const char *bind_in(int network_namespace, const char *text, int *made,
                           struct sockaddr_in *address)
{
    socklen_t size_bytes = sizeof(*address);

    if (setns(network_namespace, CLONE_NEWNET) < 0)
        return "setns";
    *made = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (*made < 0)
        return "socket";
    *address = inet_address(text);
    if (bind(*made, (struct sockaddr *)address, sizeof(*address)) < 0)
        return "bind";
    return getsockname(*made, (struct sockaddr *)address, &size_bytes) < 0 ? "getsockname" : NULL;
}

const char *connect_veth(int sending_namespace, int receiving_namespace, int sockets[2])
{
    struct sockaddr_in receiver, sender;
    const char *failed_call;
    int error;

    sockets[0] = sockets[1] = -1;
    failed_call = bind_in(receiving_namespace, RECEIVER_ADDRESS, &sockets[0], &receiver);
    if (failed_call == NULL)
        failed_call = bind_in(sending_namespace, SENDER_ADDRESS, &sockets[1], &sender);
    if (failed_call == NULL &&
        connect(sockets[1], (struct sockaddr *)&receiver, sizeof(receiver)) < 0)
        failed_call = "connect";
    if (failed_call != NULL) {
        error = errno;
        for (int i = 0; i < 2; i++)
            if (sockets[i] >= 0)
                close(sockets[i]);
        errno = error;
    }
    return failed_call;
}

static int arrives(int receiver)
{
    struct pollfd readable = {.fd = receiver, .events = POLLIN};
    char byte;

    return poll(&readable, 1, ARRIVAL_MS) == 1 && recv(receiver, &byte, 1, 0) == 1;
}

const char *await_veth(int sending_namespace, int receiving_namespace)
{
    int sockets[2], arrived = 0;
    const char *failed_call = connect_veth(sending_namespace, receiving_namespace, sockets);

    if (failed_call != NULL)
        return failed_call;
    for (int i = 0; i < SENDINGS && !arrived; i++)
        arrived = send(sockets[1], "", 1, 0) == 1 && arrives(sockets[0]);
    while (arrived && arrives(sockets[0]))
        ; /* late ones */
    close(sockets[0]);
    close(sockets[1]);
    errno = ETIMEDOUT;
    return arrived ? NULL : "a packet from device to device";
}
