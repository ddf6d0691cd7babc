"""What rtnetlink(7) tells of network devices: their XDP programs, and those of tc filters.

Numbers and layouts are those of ``include/uapi/linux``: ``netlink.h``, ``rtnetlink.h``,
``if_link.h`` and ``pkt_cls.h``.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
_ATTRIBUTE = struct.Struct("=HH")  # struct rtattr
_DEVICE = struct.Struct("=BxHiII")  # struct ifinfomsg
_FILTER = struct.Struct("=B3xiIII")  # struct tcmsg
_REQUEST_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_ERROR, _DONE = 2, 3
_GET_DEVICES, _GET_FILTERS, _GET_QDISCS = 18, 46, 38  # RTM_GETLINK, _GETTFILTER, _GETQDISC
_NAME, _XDP, _XDP_PROG = 3, 43, 4  # IFLA_IFNAME, IFLA_XDP, IFLA_XDP_PROG_ID
_XDP_IDS = (_XDP_PROG, 5, 6, 7)  # and those of more than one mode
_KIND, _OPTIONS, _BPF_ID = 1, 2, 11  # TCA_KIND, TCA_OPTIONS, TCA_BPF_ID
_TYPE_MASK = 0x3FFF  # NLA_TYPE_MASK
# Classes of clsact, which is no qdisc with a list of its own.
_CLSACT = {0xFFFFFFF2: "ingress", 0xFFFFFFF3: "egress"}
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
        request = _FILTER.pack(socket.AF_UNSPEC, index, 0, parent, 0)
        for message in _dump(_GET_FILTERS, request):
            told = _attributes(message[_FILTER.size :])
            options = _attributes(told.get(_OPTIONS, b"")) if _text(told[_KIND]) == "bpf" else {}
            if _BPF_ID in options:
                yield _number(options[_BPF_ID]), name


def _queues(index: int) -> dict[int, str]:
    """Return the queueing disciplines of a device that may have filters, by their handle."""
    found = {}
    for message in _dump(_GET_QDISCS, _FILTER.pack(socket.AF_UNSPEC, index, 0, 0, 0)):
        _, where, handle, *_ = _FILTER.unpack_from(message)
        kind = _text(_attributes(message[_FILTER.size :])[_KIND])
        if where == index and handle and kind not in _INGRESS_QDISCS:
            found[handle] = kind
    return found


def _dump(kind: int, request: bytes) -> Iterator[bytes]:
    """Yield the messages that answer a request, without their headers; none where it fails."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as asked:
        asked.send(_HEADER.pack(_HEADER.size + len(request), kind, _REQUEST_DUMP, 1, 0) + request)
        while True:
            answer = asked.recv(1 << 20)
            while answer:
                length, told, *_ = _HEADER.unpack_from(answer)
                if told in (_ERROR, _DONE):
                    return
                yield answer[_HEADER.size : length]
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
