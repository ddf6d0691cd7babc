"""What rtnetlink answers: devices, XDP programs, tc filters."""

from __future__ import annotations

import struct

import pytest

from ebpf_overhead.bpf import netlink


def attribute(kind: int, value: bytes) -> bytes:
    length = 4 + len(value)
    return struct.pack("=HH", length, kind) + value + b"\0" * (-length % 4)


def number(value: int) -> bytes:
    return struct.pack("=I", value)


def device(index: int, name: str, *xdp: int) -> bytes:
    told = [attribute(4 + place, number(each)) for place, each in enumerate(xdp)]
    return (
        struct.pack("=BxHiII", 0, 1, index, 0, 0)
        + attribute(3, name.encode() + b"\0")
        + attribute(0x8000 | 43, attribute(2, b"\2") + b"".join(told))
    )


def rule(kind: str, index: int, handle: int, *options: bytes) -> bytes:
    return (
        struct.pack("=B3xiIII", 0, index, handle, 0, 0)
        + attribute(1, kind.encode() + b"\0")
        + attribute(2, b"".join(options))
    )


@pytest.fixture
def answers(monkeypatch) -> dict[int, list[bytes]]:
    """What is answered to each kind of request, for tc filters by the parent that is asked for."""
    told: dict[int, list[bytes]] = {}

    def dump(kind: int, request: bytes):
        parent = struct.unpack_from("=I", request, 12)[0] if kind == 46 else 0
        return iter(told.get(parent or kind, []))

    monkeypatch.setattr(netlink, "_dump", dump)
    return told


def test_devices_and_their_xdp_programs(answers):
    answers[18] = [device(1, "lo", 0), device(2, "eth0", 7, 8)]
    assert netlink.devices() == [
        netlink.NetworkDevice(1, "lo"),
        netlink.NetworkDevice(2, "eth0", frozenset({7, 8})),
    ]


def test_programs_of_filters_by_direction_and_queue(answers):
    bpf = attribute(11, number(5))
    answers[38] = [rule("clsact", 2, 0xFFFF0000), rule("fq", 2, 0x10000), rule("fq", 3, 0x20000)]
    answers[0xFFFFFFF2] = [rule("bpf", 2, 1, bpf), rule("u32", 2, 2, bpf)]
    answers[0xFFFFFFF3] = [rule("bpf", 2, 1)]
    answers[0x10000] = [rule("bpf", 2, 1, attribute(11, number(6)))]
    answers[0x20000] = [rule("bpf", 3, 1, attribute(11, number(9)))]
    assert list(netlink.filters(2)) == [(5, "ingress"), (6, "fq")]


def test_own_loopback_device_is_there():
    assert "lo" in [each.name for each in netlink.devices()]
