"""What rtnetlink is sent, and what becomes of its answers."""

from __future__ import annotations

import errno
import os
import struct

import pytest

from ebpf_overhead.hooks import traffic_control
from ebpf_overhead.hooks.attach_types import ATTACH_TYPES

NEW_DISCIPLINE, REMOVE_DISCIPLINE, NEW_FILTER = 36, 37, 44


class Kernel:
    """A netlink socket whose other end refuses some messages."""

    def __init__(self, refused=()):
        self.refused, self.asked, self.closed = dict(refused), [], False

    def send(self, message):
        length, kind, _, _, _ = struct.unpack_from("=IHHII", message)
        assert length == len(message)
        assert length % 4 == 0
        self.asked.append((kind, message))

    def recv(self, size):
        error = -self.refused.get(self.asked[-1][0], 0)
        return struct.pack("=IHHIIi", 36, 2, 0, 1, 0, error) + bytes(16)

    def close(self):
        self.closed = True

    def detach(self):
        return 42

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


@pytest.fixture
def asked(monkeypatch):
    def install(**settings):
        kernel = Kernel(**settings)
        monkeypatch.setattr(traffic_control.socket, "socket", lambda *words, **more: kernel)
        monkeypatch.setattr(traffic_control, "_number", lambda socket, device: 7)
        return kernel

    return install


def test_the_discipline_and_then_the_program_are_added(asked):
    kernel = asked()
    assert traffic_control.attach(0x1234, "eo0") == 42
    assert [kind for kind, _ in kernel.asked] == [NEW_DISCIPLINE, NEW_FILTER]
    discipline, added = (message[16:] for _, message in kernel.asked)
    assert struct.unpack_from("=BxxxiII", discipline) == (0, 7, 0xFFFF0000, 0xFFFFFFF1)
    assert b"clsact\0" in discipline
    assert struct.unpack_from("=BxxxiIII", added) == (0, 7, 0, 0xFFFFFFF2, 0x1_0300)
    assert struct.pack("=HHI", 8, 6, 0x1234) in added, "the program"
    assert struct.pack("=HHI", 8, 8, 1) in added, "which says itself what becomes of the packet"


def test_both_are_removed_with_the_discipline(asked):
    kernel = asked()
    ATTACH_TYPES["tc"].close(42, traffic_control_point())
    assert [kind for kind, _ in kernel.asked] == [REMOVE_DISCIPLINE]
    assert kernel.closed


def traffic_control_point():
    return next(ATTACH_TYPES["tc"].points(None))


def test_what_the_kernel_refuses_is_said_and_leaves_nothing(asked):
    kernel = asked(refused={NEW_FILTER: errno.ENOENT})
    with pytest.raises(OSError, match="cls_bpf") as caught:
        traffic_control.attach(3, "eo0")
    assert caught.value.errno == errno.ENOENT
    assert [kind for kind, _ in kernel.asked][-1] == REMOVE_DISCIPLINE
    assert kernel.closed


def test_a_device_is_found_in_the_sockets_namespace():
    with traffic_control.socket.socket(traffic_control.socket.AF_INET) as any_socket:
        assert traffic_control._number(any_socket, "lo") > 0
        with pytest.raises(OSError, match=os.strerror(errno.ENODEV)):
            traffic_control._number(any_socket, "eo-none")
