"""The attach points of programs: the kernel's links, and perf events that processes hold."""

from __future__ import annotations

import errno
from collections.abc import Callable
from ctypes import addressof, c_uint32, c_uint64, create_string_buffer
from dataclasses import dataclass
from enum import IntEnum

from ebpf_overhead.bpf.infos import BpfLinkInfo
from ebpf_overhead.bpf.objects import KernelProgram, ids, name_of, opened
from ebpf_overhead.bpf.queries import HookType
from ebpf_overhead.bpf.structures import TaskFdQueryAttr
from ebpf_overhead.bpf.syscall import BpfCommand, TraceAttachType, call, object_info
from ebpf_overhead.hooks.attach_type import TRACEPOINT, USER
from ebpf_overhead.hooks.attach_types import ATTACH_TYPES
from ebpf_overhead.tools.top import names

_TEXT_BYTES = 256

# ``enum bpf_link_type``.
_LinkType = IntEnum(
    "_LinkType",
    "UNSPEC RAW_TRACEPOINT TRACING CGROUP ITER NETNS XDP PERF_EVENT KPROBE_MULTI STRUCT_OPS"
    " NETFILTER TCX UPROBE_MULTI NETKIT SOCKMAP TRACING_MULTI",
    start=0,
)
# ``enum bpf_perf_event_type``.
_PerfEventType = IntEnum(
    "_PerfEventType", "UNSPEC UPROBE URETPROBE KPROBE KRETPROBE TRACEPOINT EVENT", start=0
)
# ``enum bpf_task_fd_type``: the numbers of BPF_TASK_FD_QUERY for the same types.
_TaskFdType = IntEnum(
    "_TaskFdType", "RAW_TRACEPOINT TRACEPOINT KPROBE KRETPROBE UPROBE URETPROBE", start=0
)

# Kernel's attach type that a program is loaded for -> attach type.
_BY_BTF: dict[int, str] = {
    each.expected: each.name for each in reversed(ATTACH_TYPES.values()) if each.by_btf
}
_RETURN = 1  # BPF_F_KPROBE_MULTI_RETURN, BPF_F_UPROBE_MULTI_RETURN


@dataclass(frozen=True)
class Attachment:
    """A hook that a program is attached to.

    Attributes
    ----------
    attach : str
        Name of the attach type; the kernel's name of the kind of link where there is no such
        attach type.
    target : str
        Tracepoint, function, ``file+offset``, network interface; empty where the kernel does
        not say.
    """

    attach: str
    target: str = ""

    def __str__(self) -> str:
        return f"{self.attach}:{self.target}" if self.target else self.attach


@dataclass(frozen=True)
class Link:
    """A BPF link: a hook that has an id."""

    number: int
    prog_id: int
    attachment: Attachment


def link_ids() -> list[int]:
    """Return the ids of all links; empty on a kernel whose links have no ids (before 5.8)."""
    try:
        return list(ids(BpfCommand.LINK_GET_NEXT_ID))
    except OSError as error:
        if error.errno == errno.EINVAL:
            return []
        raise


def link(number: int) -> Link | None:
    """Return the program and the attach point of a link; None if the link is gone."""
    with opened(BpfCommand.LINK_GET_FD_BY_ID, number) as fd:
        if fd is None:
            return None
        told = BpfLinkInfo()
        object_info(fd, told)
        describe = _DESCRIBE.get(told.type)
        attachment = Attachment(_link_name(told.type)) if describe is None else describe(fd, told)
        return Link(number, told.prog_id, attachment)


def refine(attachment: Attachment, program: KernelProgram) -> Attachment:
    """Return an attachment with the details that only its program knows."""
    attach, target = attachment.attach, attachment.target
    if attach == _link_name(_LinkType.RAW_TRACEPOINT) and program.kind == "tracing":
        # BPF_RAW_TRACEPOINT_OPEN makes the same kind of link for both.
        attach = _BY_BTF[TraceAttachType.RAW_TP]
    if program.btf_id and not target:
        target = names.btf_type(program.btf_object, program.btf_id) or target
    return Attachment(attach, target)


def perf_attachment(pid: int, fd: int) -> tuple[int, Attachment] | None:
    """Return the program on a perf event of a process, and its attach point.

    Returns
    -------
    tuple of int and Attachment, or None
        The program's id and the attach point.  None where there is no program, or the
        descriptor is not such an event.
    """
    text = create_string_buffer(_TEXT_BYTES)
    told = TaskFdQueryAttr(pid, fd, buf_len=len(text), buf=addressof(text))
    try:
        call(BpfCommand.TASK_FD_QUERY, told)
    except OSError:
        return None
    attach = name_of(_TaskFdType, told.fd_type)
    if not told.prog_id or attach is None:
        return None
    place = _place(attach, _shown(text.value), told.probe_offset, told.probe_addr)
    return told.prog_id, Attachment(attach, place)


def _place(attach: str, name: str, offset: int, address: int) -> str:
    serves = ATTACH_TYPES[attach].serves
    if TRACEPOINT in serves:
        return name
    if USER in serves:
        return f"{name}+{offset:#x}"
    if not name and address:
        return names.function_at(address) or f"{address:#x}"
    return f"{name}+{offset:#x}" if offset else name


def _raw_tracepoint(fd: int, told: BpfLinkInfo) -> Attachment:
    text = create_string_buffer(_TEXT_BYTES)
    again = BpfLinkInfo()
    again.raw_tracepoint.tp_name = addressof(text)
    again.raw_tracepoint.tp_name_len = len(text)
    _asked(fd, again)
    return Attachment(_link_name(_LinkType.RAW_TRACEPOINT), _shown(text.value))


def _tracing(fd: int, told: BpfLinkInfo) -> Attachment:
    hook = told.tracing
    btf_id = hook.target_btf_id
    target = names.btf_type(hook.target_obj_id, btf_id) if btf_id else ""
    return Attachment(_by_btf(hook.attach_type), target)


def _by_btf(attach: int) -> str:
    return _BY_BTF.get(attach, f"tracing type {attach}")


def _perf_event(fd: int, told: BpfLinkInfo) -> Attachment:
    """Describe a perf event (Linux 6.6); before, the holder's descriptor has it."""
    kind = told.perf_event.type
    name = name_of(_PerfEventType, kind)
    if name is None or kind == _PerfEventType.UNSPEC:
        return Attachment("perf_event")
    if kind == _PerfEventType.EVENT:
        event = told.perf_event.event
        return Attachment("perf_event", f"type {event.type}, config {event.config:#x}")
    text = create_string_buffer(_TEXT_BYTES)
    again = BpfLinkInfo()
    probe = again.perf_event.kprobe  # the others have the same first fields
    probe.func_name, probe.name_len = addressof(text), len(text)
    _asked(fd, again)
    return Attachment(name, _place(name, _shown(text.value), probe.offset, probe.addr))


def _kprobe_multi(fd: int, told: BpfLinkInfo) -> Attachment:
    count = told.kprobe_multi.count
    addresses = (c_uint64 * count)()
    again = BpfLinkInfo()
    again.kprobe_multi.addrs, again.kprobe_multi.count = addressof(addresses), count
    first = addresses[0] if _asked(fd, again) and count else 0
    attach = _multi(TraceAttachType.TRACE_KPROBE_MULTI, told.kprobe_multi.flags)
    name = names.function_at(first) if first else None
    return Attachment(attach, _several(name or "", count, "functions"))


def _uprobe_multi(fd: int, told: BpfLinkInfo) -> Attachment:
    count = told.uprobe_multi.count
    path, offsets = create_string_buffer(_TEXT_BYTES), (c_uint64 * count)()
    again = BpfLinkInfo()
    probes = again.uprobe_multi
    probes.path, probes.path_size = addressof(path), len(path)
    probes.offsets, probes.count = addressof(offsets), count
    answered = _asked(fd, again) and count
    name = f"{_shown(path.value)}+{offsets[0]:#x}" if answered else ""
    attach = _multi(TraceAttachType.TRACE_UPROBE_MULTI, told.uprobe_multi.flags)
    return Attachment(attach, _several(name, count, "places"))


def _tracing_multi(fd: int, told: BpfLinkInfo) -> Attachment:
    count = told.tracing_multi.count
    btf_ids = (c_uint32 * count)()
    again = BpfLinkInfo()
    again.tracing_multi.ids, again.tracing_multi.count = addressof(btf_ids), count
    hook = told.tracing_multi
    first = btf_ids[0] if _asked(fd, again) and count else 0
    name = names.btf_type(hook.btf_obj_id, first) if first else ""
    return Attachment(_by_btf(hook.attach_type), _several(name, count, "functions"))


def _multi(expected: TraceAttachType, flags: int) -> str:
    wanted = expected, "return" if flags & _RETURN else "entry"
    rows = ATTACH_TYPES.values()
    return next(each.name for each in rows if (each.expected, each.moment) == wanted)


def _several(name: str, count: int, what: str) -> str:
    if not name:
        return f"{count} {what}"
    return name if count == 1 else f"{name} and {count - 1} more"


def _interface(fd: int, told: BpfLinkInfo) -> Attachment:
    # Only its namespace knows its name: see `devices`.
    return Attachment(_link_name(told.type), f"interface {told.xdp.ifindex}")


def _cgroup(fd: int, told: BpfLinkInfo) -> Attachment:
    hook = name_of(HookType, told.cgroup.attach_type) or _link_name(told.type)
    return Attachment(hook, f"cgroup {told.cgroup.cgroup_id}")


def _network(fd: int, told: BpfLinkInfo) -> Attachment:
    hook = name_of(HookType, told.netns.attach_type) or _link_name(told.type)
    return Attachment(hook, f"netns {told.netns.netns_ino}")


_DESCRIBE: dict[int, Callable[[int, BpfLinkInfo], Attachment]] = {
    _LinkType.RAW_TRACEPOINT: _raw_tracepoint,
    _LinkType.TRACING: _tracing,
    _LinkType.PERF_EVENT: _perf_event,
    _LinkType.KPROBE_MULTI: _kprobe_multi,
    _LinkType.UPROBE_MULTI: _uprobe_multi,
    _LinkType.TRACING_MULTI: _tracing_multi,
    _LinkType.CGROUP: _cgroup,
    _LinkType.NETNS: _network,
    **dict.fromkeys((_LinkType.XDP, _LinkType.TCX, _LinkType.NETKIT), _interface),
}


def _link_name(kind: int) -> str:
    return name_of(_LinkType, kind) or f"link type {kind}"


def _shown(text: bytes) -> str:
    return text.decode(errors="replace")


def _asked(fd: int, prepared: BpfLinkInfo) -> bool:
    """Ask a link again, with buffers for what it points to; return whether they were filled."""
    try:
        object_info(fd, prepared)
    except OSError as error:
        return error.errno == errno.ENOSPC  # filled, but cut to the size of the buffer
    return True
