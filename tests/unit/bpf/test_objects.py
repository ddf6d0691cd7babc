"""Listing programs and links: their ids, what the kernel says, and what is gone meanwhile."""

from __future__ import annotations

import ctypes
import errno
import os
from ctypes import Structure

import pytest
from fake_kernel import answer

from ebpf_overhead.bpf import _syscalls, objects
from ebpf_overhead.bpf.infos import BpfLinkInfo, BpfProgInfo
from ebpf_overhead.bpf.objects import KernelProgram
from ebpf_overhead.bpf.syscall import BpfCommand
from ebpf_overhead.errors import RefusedError, UnsupportedError
from ebpf_overhead.tools.top import attachments, holders
from ebpf_overhead.tools.top.attachments import Attachment


class FakeObjects:
    """A bpf(2) with objects: ids to ``GET_NEXT_ID``, what is told to ``OBJ_GET_INFO_BY_FD``."""

    def __init__(self, infos: dict[int, Structure], gone: frozenset[int] = frozenset()) -> None:
        self.infos = infos
        self.gone = gone
        self.open: dict[int, int] = {}

    def __call__(self, command: int, attribute: Structure) -> int:
        if command in (BpfCommand.PROG_GET_NEXT_ID, BpfCommand.LINK_GET_NEXT_ID):
            later = sorted(number for number in self.infos if number > attribute.start_id)
            if not later:
                raise FileNotFoundError(errno.ENOENT, "none")
            attribute.next_id = later[0]
            return 0
        if command != BpfCommand.OBJ_GET_INFO_BY_FD:
            if attribute.start_id in self.gone:
                raise FileNotFoundError(errno.ENOENT, "gone")
            fd = os.open("/dev/null", os.O_RDONLY)
            self.open[fd] = attribute.start_id
            return fd
        told = self.infos[self.open[attribute.bpf_fd]]
        attribute.info_len = answer(attribute.info, attribute.info_len, told)
        return 0


@pytest.fixture
def fake(monkeypatch):
    def fake(infos: dict[int, Structure], gone: frozenset[int] = frozenset()) -> FakeObjects:
        made = FakeObjects(infos, gone)
        monkeypatch.setattr(_syscalls, "bpf", made)
        return made

    return fake


def program_info(number: int, kind: int = 26) -> BpfProgInfo:
    return BpfProgInfo(
        type=kind,
        id=number,
        tag=tuple(bytes.fromhex("a498c9b796826179")),
        name=b"simple",
        run_time_ns=5_000,
        run_cnt=40,
        recursion_misses=2,
        attach_btf_obj_id=1,
        attach_btf_id=11_318,
    )


def test_programs_are_read_and_their_descriptors_closed(fake):
    made = fake({7: program_info(7), 9: program_info(9, kind=99)})
    found = objects.programs()
    assert found[7] == KernelProgram(
        7, "tracing", "simple", "a498c9b796826179", (), 40, 5_000, 2, btf_object=1, btf_id=11_318
    )
    assert found[9].kind == "type 99"
    for fd in made.open:
        with pytest.raises(OSError):
            os.fstat(fd)


def test_program_that_is_unloaded_meanwhile_is_left_out(fake):
    fake({7: program_info(7), 9: program_info(9)}, gone=frozenset({7}))
    assert list(objects.programs()) == [9]


def test_no_programs(fake):
    fake({})
    assert objects.programs() == {}


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.EPERM, RefusedError, r"needs CAP_SYS_ADMIN: bpf\(2\) refused.*; run as root"),
        (errno.ENOSYS, UnsupportedError, "does not list BPF programs: ENOSYS"),
    ],
)
def test_refused_listing_is_one_line(monkeypatch, number, kind, words):
    def refuse(command, attribute):
        raise OSError(number, "bpf")

    monkeypatch.setattr(_syscalls, "bpf", refuse)
    with pytest.raises(kind, match=words) as caught:
        objects.programs()
    assert "\n" not in str(caught.value)


def link_info(kind: str, **of: object) -> BpfLinkInfo:
    told = BpfLinkInfo(type=attachments._LinkType[kind.upper()], id=3, prog_id=7)
    for name, value in of.items():
        setattr(getattr(told, kind), name, value)
    return told


def event_info(kind: str, **of: int) -> BpfLinkInfo:
    told = link_info("perf_event", type=attachments._PerfEventType[kind.upper()])
    for name, value in of.items():
        setattr(getattr(told.perf_event, kind), name, value)
    return told


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        (link_info("raw_tracepoint"), Attachment("raw_tracepoint")),
        (link_info("tracing", attach_type=25), Attachment("fexit")),
        (link_info("tracing", attach_type=99), Attachment("tracing type 99")),
        (link_info("perf_event"), Attachment("perf_event")),
        (
            link_info("cgroup", cgroup_id=77, attach_type=1),
            Attachment("cgroup_inet_egress", "cgroup 77"),
        ),
        (
            link_info("netns", netns_ino=4026531840, attach_type=36),
            Attachment("sk_lookup", "netns 4026531840"),
        ),
        (event_info("event", config=1), Attachment("perf_event", "type 0, config 0x1")),
        (event_info("uprobe", offset=0x40), Attachment("uprobe", "+0x40")),
        (link_info("kprobe_multi", count=2, flags=1), Attachment("kretprobe_multi", "2 functions")),
        (link_info("uprobe_multi", count=3), Attachment("uprobe_multi", "+0x0 and 2 more")),
        (link_info("uprobe_multi", count=1, flags=1), Attachment("uretprobe_multi", "+0x0")),
        (
            link_info("tracing_multi", count=2, attach_type=59),
            Attachment("fentry_multi", "2 functions"),
        ),
        (link_info("netkit", ifindex=1 << 20), Attachment("netkit", "interface 1048576")),
    ],
)
def test_links(fake, info, expected):
    made = fake({3: info})
    found = attachments.link(3)
    assert (found.number, found.prog_id) == (3, 7)
    assert found.attachment == expected
    assert made.open


def test_second_question_to_a_link_returns_its_tracepoint(monkeypatch):
    def bpf(command, attribute):
        if command == BpfCommand.LINK_GET_FD_BY_ID:
            return os.open("/dev/null", os.O_RDONLY)
        told = BpfLinkInfo.from_address(attribute.info)
        told.type = attachments._LinkType.RAW_TRACEPOINT
        if told.raw_tracepoint.tp_name_len:
            ctypes.memmove(told.raw_tracepoint.tp_name, b"sys_enter\0", 10)
        return 0

    monkeypatch.setattr(_syscalls, "bpf", bpf)
    assert attachments.link(3).attachment == Attachment("raw_tracepoint", "sys_enter")


def test_link_that_is_gone(fake):
    fake({3: BpfLinkInfo()}, gone=frozenset({3}))
    assert attachments.link(3) is None


def program(kind: str, **more) -> KernelProgram:
    return KernelProgram(7, kind, "p", "0" * 16, (), 0, 0, **more)


def test_program_refines_its_attachment(monkeypatch):
    monkeypatch.setattr(attachments.names, "btf_type", lambda *ids: f"type of {ids}")
    raw = Attachment("raw_tracepoint", "sys_enter")
    assert attachments.refine(raw, program("raw_tracepoint")) == raw
    assert attachments.refine(raw, program("tracing")).attach == "tp_btf"
    fentry = attachments.refine(Attachment("fentry"), program("tracing", btf_object=1, btf_id=5))
    assert fentry.target == "type of (1, 5)"


@pytest.mark.parametrize(
    ("kind", "name", "offset", "expected"),
    [
        (1, b"sched_switch", 0, Attachment("tracepoint", "sched_switch")),
        (2, b"vfs_read", 0, Attachment("kprobe", "vfs_read")),
        (2, b"vfs_read", 16, Attachment("kprobe", "vfs_read+0x10")),
        (5, b"/lib/x.so", 0x1130, Attachment("uretprobe", "/lib/x.so+0x1130")),
    ],
)
def test_perf_events_of_other_processes(monkeypatch, kind, name, offset, expected):
    def query(command, attribute):
        assert (command, attribute.pid, attribute.fd) == (BpfCommand.TASK_FD_QUERY, 100, 5)
        ctypes.memmove(attribute.buf, name, min(len(name), attribute.buf_len))
        attribute.prog_id, attribute.fd_type, attribute.probe_offset = 7, kind, offset
        return 0

    monkeypatch.setattr(_syscalls, "bpf", query)
    assert attachments.perf_attachment(100, 5) == (7, expected)


def test_descriptor_without_a_program_has_no_attachment(monkeypatch):
    def refuse(*_):
        raise OSError(errno.EOPNOTSUPP, "bpf(BPF_TASK_FD_QUERY)")

    monkeypatch.setattr(_syscalls, "bpf", refuse)
    assert attachments.perf_attachment(1, 1) is None


def test_process_that_is_gone_holds_nothing():
    found = holders.Holders()
    holders._look_at(4_194_305, found)  # more than any process id
    assert not found.of_program
    assert not found.of_link


def test_descriptors_after_a_closed_one_are_still_listed(monkeypatch):
    def readlink(path: str) -> str:
        if path.endswith("/3"):
            raise FileNotFoundError(errno.ENOENT, "closed")
        return "anon_inode:bpf-prog"

    monkeypatch.setattr(holders.os, "listdir", lambda folder: ["3", "4"])
    monkeypatch.setattr(holders.os, "readlink", readlink)
    assert list(holders._descriptors(100)) == [(4, "anon_inode:bpf-prog")]
