"""Walking programs and links: ids, answers byte by byte, and what goes meanwhile."""

from __future__ import annotations

import errno
import os
import struct

import pytest

from ebpf_overhead import bpf
from ebpf_overhead.bpf import Command
from ebpf_overhead.errors import RefusedError, UnsupportedError
from ebpf_overhead.loaded import attachments, holders, objects
from ebpf_overhead.loaded.attachments import Attachment
from ebpf_overhead.loaded.objects import Program


class FakeObjects:
    """A bpf(2) with objects: ids to ``GET_NEXT_ID``, bytes to ``OBJ_GET_INFO_BY_FD``."""

    def __init__(self, infos: dict[int, bytes], gone: frozenset[int] = frozenset()) -> None:
        self.infos = infos
        self.gone = gone
        self.open: dict[int, int] = {}

    def __call__(self, command: Command, layout: str, *values: int) -> tuple[int, bytearray]:
        attribute = bytearray(128)
        struct.pack_into("=" + layout, attribute, 0, *values)
        if command in (Command.PROG_GET_NEXT_ID, Command.LINK_GET_NEXT_ID):
            later = sorted(number for number in self.infos if number > values[0])
            if not later:
                raise FileNotFoundError(errno.ENOENT, "none")
            struct.pack_into("=I", attribute, 4, later[0])
            return 0, attribute
        if command != Command.OBJ_GET_INFO_BY_FD:
            if values[0] in self.gone:
                raise FileNotFoundError(errno.ENOENT, "gone")
            fd = os.open("/dev/null", os.O_RDONLY)
            self.open[fd] = values[0]
            return fd, attribute
        fd, size, address = values
        answer = self.infos[self.open[fd]][:size]
        import ctypes

        ctypes.memmove(address, answer, len(answer))
        return 0, attribute


@pytest.fixture
def fake(monkeypatch):
    def fake(infos: dict[int, bytes], gone: frozenset[int] = frozenset()) -> FakeObjects:
        made = FakeObjects(infos, gone)
        monkeypatch.setattr(objects, "call", made)
        return made

    return fake


def program_info(number: int, kind: int = 26) -> bytes:
    info = bytearray(232)
    struct.pack_into("=II8s", info, 0, kind, number, bytes.fromhex("a498c9b796826179"))
    struct.pack_into("=16s", info, 64, b"simple")
    struct.pack_into("=QQQ", info, 192, 5_000, 40, 2)
    struct.pack_into("=II", info, 220, 1, 11_318)
    return bytes(info)


def test_programs_are_read_and_let_go(fake):
    made = fake({7: program_info(7), 9: program_info(9, kind=99)})
    found = objects.programs()
    assert found[7] == Program(
        7, "tracing", "simple", "a498c9b796826179", (), 40, 5_000, 2, btf_object=1, btf_id=11_318
    )
    assert found[9].kind == "type 99"
    for fd in made.open:
        with pytest.raises(OSError):
            os.fstat(fd)


def test_program_that_goes_while_it_is_looked_at_is_left_out(fake):
    fake({7: program_info(7), 9: program_info(9)}, gone=frozenset({7}))
    assert list(objects.programs()) == [9]


def test_no_programs(fake):
    fake({})
    assert objects.programs() == {}


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.EPERM, RefusedError, "needs CAP_SYS_ADMIN: EPERM from bpf.*; run as root"),
        (errno.ENOSYS, UnsupportedError, "does not list BPF programs: ENOSYS"),
    ],
)
def test_what_keeps_from_listing_is_one_line(monkeypatch, number, kind, words):
    def refuse(command, attribute):
        raise OSError(number, "bpf")

    monkeypatch.setattr(bpf._syscalls, "bpf", refuse)
    with pytest.raises(kind, match=words) as caught:
        objects.programs()
    assert "\n" not in str(caught.value)


def link_info(kind: str, rest: bytes) -> bytes:
    head = struct.pack("=IIII", attachments._LINK_TYPES.index(kind), 3, 7, 0)
    return (head + rest).ljust(128, b"\0")


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        (link_info("raw_tracepoint", b""), Attachment("raw_tracepoint")),
        (link_info("tracing", struct.pack("=I", 25)), Attachment("fexit")),
        (link_info("tracing", struct.pack("=I", 99)), Attachment("tracing type 99")),
        (link_info("perf_event", b""), Attachment("perf_event")),
        (link_info("cgroup", struct.pack("=QI", 1, 0)), Attachment("cgroup")),
        (
            link_info("perf_event", struct.pack("=IIQI", 6, 0, 1, 0)),
            Attachment("perf_event", "type 0, config 0x1"),
        ),
        (
            link_info("perf_event", struct.pack("=IIQIIQ", 1, 0, 0, 0, 0x40, 0)),
            Attachment("uprobe", "+0x40"),
        ),
        (
            link_info("uprobe_multi", struct.pack("=QQQQIIII", 0, 0, 0, 0, 0, 3, 1, 0)),
            Attachment("uretprobe_multi", "3 places"),
        ),
    ],
)
def test_links(fake, monkeypatch, info, expected):
    made = fake({3: info})
    monkeypatch.setattr(
        attachments, "info", lambda fd, size, prepared=None: _answer(info, prepared)
    )
    found = attachments.link(3)
    assert (found.number, found.prog_id) == (3, 7)
    if expected.target == "3 places":  # asked again, it names none here
        assert found.attachment.attach == expected.attach
    else:
        assert found.attachment == expected
    assert made.open


def _answer(info: bytes, prepared: bytearray | None) -> bytearray:
    if prepared is None:
        return bytearray(info)
    prepared[:] = info
    return prepared


def test_link_that_is_gone(fake):
    fake({3: b""}, gone=frozenset({3}))
    assert attachments.link(3) is None


def program(kind: str, **more) -> Program:
    return Program(7, kind, "p", "0" * 16, (), 0, 0, **more)


def test_what_only_the_program_knows_of_its_hook(monkeypatch):
    monkeypatch.setattr(attachments.names, "btf_type", lambda *ids: f"type of {ids}")
    raw = Attachment("raw_tracepoint", "sys_enter")
    assert attachments.refine(raw, program("raw_tracepoint")) == raw
    assert attachments.refine(raw, program("tracing")).attach == "tp_btf"
    fentry = attachments.refine(Attachment("fentry"), program("tracing", btf_object=1, btf_id=5))
    assert fentry.target == "type of (1, 5)"
    assert attachments.refine(Attachment("cgroup"), program("cgroup_skb")).attach == "cgroup_skb"


@pytest.mark.parametrize(
    ("kind", "name", "offset", "expected"),
    [
        (1, b"sched_switch", 0, Attachment("tracepoint", "sched_switch")),
        (2, b"vfs_read", 0, Attachment("kprobe", "vfs_read")),
        (2, b"vfs_read", 16, Attachment("kprobe", "vfs_read+0x10")),
        (5, b"/lib/x.so", 0x1130, Attachment("uretprobe", "/lib/x.so+0x1130")),
    ],
)
def test_perf_events_of_others(monkeypatch, kind, name, offset, expected):
    def query(command, layout, pid, fd, flags, length, address):
        import ctypes

        assert (command, pid, fd) == (Command.TASK_FD_QUERY, 100, 5)
        ctypes.memmove(address, name, len(name))
        attribute = bytearray(128)
        struct.pack_into("=IIQQ", attribute, 24, 7, kind, offset, 0)
        return 0, attribute

    monkeypatch.setattr(attachments, "call", query)
    assert attachments.perf_attachment(100, 5) == (7, expected)


def test_descriptor_that_is_no_event_with_a_program(monkeypatch):
    def refuse(*_):
        raise OSError(errno.EOPNOTSUPP, "bpf(BPF_TASK_FD_QUERY)")

    monkeypatch.setattr(attachments, "call", refuse)
    assert attachments.perf_attachment(1, 1) is None


def test_process_that_is_gone_holds_nothing():
    found = holders.Holders()
    holders._look_at(4_194_305, found)  # more than any process id
    assert not found.of_program
    assert not found.of_link


def test_descriptor_that_is_closed_meanwhile_hides_none_behind_it(monkeypatch):
    def readlink(path: str) -> str:
        if path.endswith("/3"):
            raise FileNotFoundError(errno.ENOENT, "closed")
        return "anon_inode:bpf-prog"

    monkeypatch.setattr(holders.os, "listdir", lambda folder: ["3", "4"])
    monkeypatch.setattr(holders.os, "readlink", readlink)
    assert list(holders._descriptors(100)) == [(4, "anon_inode:bpf-prog")]
