"""rtnetlink(7): its messages, and what it tells of network devices' XDP programs and tc filters.

Numbers and layouts are those of ``include/uapi/linux``: ``netlink.h``, ``rtnetlink.h``,
``if_link.h`` and ``pkt_cls.h``.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

# Begins a message about traffic control: family, number of the device, handle, parent, info.
TRAFFIC_CONTROL = struct.Struct("=B3xiIII")  # struct tcmsg
KIND, OPTIONS = 1, 2  # TCA_KIND, TCA_OPTIONS
INGRESS, _EGRESS = 0xFFFFFFF2, 0xFFFFFFF3  # TC_H_MIN_INGRESS, TC_H_MIN_EGRESS of clsact
ERROR = 2  # NLMSG_ERROR
HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
_ATTRIBUTE = struct.Struct("=HH")  # struct rtattr
_DEVICE = struct.Struct("=BxHiII")  # struct ifinfomsg
_REQUEST_ACK, _ANSWER_MAX = 0x5, 4096  # NLM_F_REQUEST | NLM_F_ACK
_REQUEST_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_DONE = 3
_GET_DEVICES, _GET_FILTERS, _GET_QDISCS = 18, 46, 38  # RTM_GETLINK, _GETTFILTER, _GETQDISC
_NAME, _XDP, _XDP_PROG = 3, 43, 4  # IFLA_IFNAME, IFLA_XDP, IFLA_XDP_PROG_ID
_XDP_IDS = (_XDP_PROG, 5, 6, 7)  # and those of more than one mode
_BPF_ID = 11  # TCA_BPF_ID
_TYPE_MASK = 0x3FFF  # NLA_TYPE_MASK
# Classes of clsact, which is no qdisc with a list of its own.
_CLSACT = {INGRESS: "ingress", _EGRESS: "egress"}
_INGRESS_QDISCS = ("ingress", "clsact")


@dataclass(frozen=True)
class NetworkDevice:
    """A network device, as its namespace knows it.

    Attributes
    ----------
    index : int
        Its number there.
    name : str
        Its name there.
    xdp : frozenset of int
        Ids of its XDP programs.
    """

    index: int
    name: str
    xdp: frozenset[int] = field(default_factory=frozenset)


def opened() -> socket.socket:
    """Return a socket to the network namespace of the calling thread."""
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)


def packed(kind: int, flags: int, body: bytes) -> bytes:
    """Return a message: a ``struct nlmsghdr`` with its body.

    Parameters
    ----------
    kind, flags : int
        ``RTM_…`` and ``NLM_F_…``.
    body : bytes
        The struct of that kind, and its attributes.
    """
    return HEADER.pack(HEADER.size + len(body), kind, flags, 1, 0) + body


def attribute(kind: int, value: bytes) -> bytes:
    """Return a ``struct rtattr`` with its value, up to where the next one may begin."""
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + bytes(_aligned(length) - length)


def ask(kernel: socket.socket, kind: int, body: bytes, what: str, flags: int = 0) -> None:
    """Send a message, and wait until the kernel has done what it says.

    Parameters
    ----------
    kernel : socket.socket
        As :func:`opened` returns it.
    kind, flags : int
        ``RTM_…`` and ``NLM_F_…``.
    body : bytes
        As for :func:`packed`.
    what : str
        What it is about, for messages.

    Raises
    ------
    OSError
        The kernel refused; the text says what.
    """
    kernel.send(packed(kind, _REQUEST_ACK | flags, body))
    answer = kernel.recv(_ANSWER_MAX)
    _, answered, *_ = HEADER.unpack_from(answer)
    (error,) = struct.unpack_from("=i", answer, HEADER.size)
    if answered == ERROR and error:
        raise OSError(-error, f"rtnetlink ({what})")


def devices() -> list[NetworkDevice]:
    """Return the network devices of this thread's namespace."""
    found = []
    for message in _dump(_GET_DEVICES, _DEVICE.pack(socket.AF_UNSPEC, 0, 0, 0, 0)):
        index = _DEVICE.unpack_from(message)[2]
        told = _attributes(message[_DEVICE.size :])
        xdp = _attributes(told.get(_XDP, b""))
        programs = frozenset(_number(xdp[each]) for each in _XDP_IDS if each in xdp) - {0}
        found.append(NetworkDevice(index, _text(told.get(_NAME, b"")), programs))
    return found


def filters(index: int) -> Iterator[tuple[int, str]]:
    """Yield the programs of tc filters on a device: id, and the direction or queue."""
    for parent, name in {**_CLSACT, **_queues(index)}.items():
        request = TRAFFIC_CONTROL.pack(socket.AF_UNSPEC, index, 0, parent, 0)
        for message in _dump(_GET_FILTERS, request):
            told = _attributes(message[TRAFFIC_CONTROL.size :])
            options = _attributes(told.get(OPTIONS, b"")) if _text(told[KIND]) == "bpf" else {}
            if _BPF_ID in options:
                yield _number(options[_BPF_ID]), name


def _queues(index: int) -> dict[int, str]:
    """Return the queueing disciplines of a device that may have filters, by their handle."""
    found = {}
    for message in _dump(_GET_QDISCS, TRAFFIC_CONTROL.pack(socket.AF_UNSPEC, index, 0, 0, 0)):
        _, where, handle, *_ = TRAFFIC_CONTROL.unpack_from(message)
        kind = _text(_attributes(message[TRAFFIC_CONTROL.size :])[KIND])
        if where == index and handle and kind not in _INGRESS_QDISCS:
            found[handle] = kind
    return found


def _dump(kind: int, request: bytes) -> Iterator[bytes]:
    """Yield the messages that answer a request, without their headers; none where it fails."""
    with opened() as asked:
        asked.send(packed(kind, _REQUEST_DUMP, request))
        while True:
            answer = asked.recv(1 << 20)
            while answer:
                length, told, *_ = HEADER.unpack_from(answer)
                if told in (ERROR, _DONE):
                    return
                yield answer[HEADER.size : length]
                answer = answer[_aligned(length) :]


def _attributes(text: bytes) -> dict[int, bytes]:
    found = {}
    while len(text) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(text)
        found[kind & _TYPE_MASK] = text[_ATTRIBUTE.size : length]
        text = text[_aligned(max(length, _ATTRIBUTE.size)) :]
    return found


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def _number(value: bytes) -> int:
    return int(struct.unpack("=I", value)[0])


def _text(value: bytes) -> str:
    return value.partition(b"\0")[0].decode(errors="replace")
