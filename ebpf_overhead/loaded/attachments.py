"""What programs are attached to: the kernel's links, and perf events that processes hold."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

from ebpf_overhead import _syscalls
from ebpf_overhead.bpf import Command, TraceAttachType, call
from ebpf_overhead.loaded import names
from ebpf_overhead.loaded.objects import Program, ids, info, opened, text

_INFO_BYTES = 128
_TEXT_BYTES = 256

# ``enum bpf_link_type``.
_LINK_TYPES = (
    "unspec",
    "raw_tracepoint",
    "tracing",
    "cgroup",
    "iter",
    "netns",
    "xdp",
    "perf_event",
    "kprobe_multi",
    "struct_ops",
    "netfilter",
    "tcx",
    "uprobe_multi",
    "netkit",
    "sockmap",
)
# ``enum bpf_perf_event_type``, and what BPF_TASK_FD_QUERY calls the same.
_PERF_TYPES = (
    "unspec",
    "uprobe",
    "uretprobe",
    "kprobe",
    "kretprobe",
    "tracepoint",
    "event",
)
_QUERY_TYPES = (
    "raw_tracepoint",
    "tracepoint",
    "kprobe",
    "kretprobe",
    "uprobe",
    "uretprobe",
)
_TRACING = {
    TraceAttachType.RAW_TP: "tp_btf",
    TraceAttachType.FENTRY: "fentry",
    TraceAttachType.FEXIT: "fexit",
    TraceAttachType.MODIFY_RETURN: "fmod_ret",
    TraceAttachType.LSM_MAC: "lsm",
}
_RETURN = 1  # BPF_F_KPROBE_MULTI_RETURN, BPF_F_UPROBE_MULTI_RETURN


@dataclass(frozen=True)
class Attachment:
    """A hook that a program is attached to.

    Attributes
    ----------
    attach : str
        Attach type, by its name in the catalogue; the kernel's name of the kind of link where
        the catalogue has none.
    target : str
        Tracepoint, function, ``file+offset``, network interface; empty where the kernel does
        not tell.
    """

    attach: str
    target: str = ""

    def __str__(self) -> str:
        return f"{self.attach}:{self.target}" if self.target else self.attach


@dataclass(frozen=True)
class Link:
    """A BPF link: a hook with an id of its own."""

    number: int
    prog_id: int
    attachment: Attachment


def link_ids() -> list[int]:
    """Return the ids of all links; none on a kernel that has no ids for them (before 5.8)."""
    try:
        return list(ids(Command.LINK_GET_NEXT_ID))
    except OSError as error:
        if error.errno == errno.EINVAL:
            return []
        raise


def link(number: int) -> Link | None:
    """Return what a link attaches to what; None if it is gone."""
    with opened(Command.LINK_GET_FD_BY_ID, number) as fd:
        if fd is None:
            return None
        answer = info(fd, _INFO_BYTES)
        kind, number, prog_id = struct.unpack_from("=III", answer)
        name = _LINK_TYPES[kind] if kind < len(_LINK_TYPES) else f"link type {kind}"
        describe = _DESCRIBE.get(name)
        attachment = Attachment(name) if describe is None else describe(fd, answer)
        return Link(number, prog_id, attachment)


def refine(attachment: Attachment, program: Program) -> Attachment:
    """Return an attachment with what only the program knows of it."""
    attach, target = attachment.attach, attachment.target
    if attach == "raw_tracepoint" and program.kind == "tracing":
        attach = "tp_btf"  # BPF_RAW_TRACEPOINT_OPEN makes the same kind of link for both
    if attach in ("cgroup", "netns"):
        attach = program.kind
    if program.btf_id:
        target = names.btf_type(program.btf_object, program.btf_id) or target
    return Attachment(attach, target)


def perf_attachment(pid: int, fd: int) -> tuple[int, Attachment] | None:
    """Return what program is attached to a perf event of a process, and to what.

    Returns
    -------
    tuple of int and Attachment, or None
        The program's id; None where there is none, or the descriptor is no such event.
    """
    buffer = bytearray(_TEXT_BYTES)
    try:
        _, attribute = call(
            Command.TASK_FD_QUERY, "IIIIQ", pid, fd, 0, len(buffer), _syscalls.address(buffer)
        )
    except OSError:
        return None
    prog_id, kind, offset, address = struct.unpack_from("=IIQQ", attribute, 24)
    if not prog_id or kind >= len(_QUERY_TYPES):
        return None
    name = _QUERY_TYPES[kind]
    return prog_id, Attachment(name, _place(name, text(buffer), offset, address))


def _place(attach: str, name: str, offset: int, address: int) -> str:
    if attach == "tracepoint":
        return name
    if attach in ("uprobe", "uretprobe"):
        return f"{name}+{offset:#x}"
    if not name and address:
        return names.function_at(address) or f"{address:#x}"
    return f"{name}+{offset:#x}" if offset else name


def _raw_tracepoint(fd: int, answer: bytearray) -> Attachment:
    return Attachment("raw_tracepoint", _with_text(fd, 16, 24)[0])


def _tracing(fd: int, answer: bytearray) -> Attachment:
    attach, btf_object, btf_id = struct.unpack_from("=III", answer, 16)
    name = _TRACING.get(attach, f"tracing type {attach}")
    return Attachment(name, names.btf_type(btf_object, btf_id) if btf_id else "")


def _perf_event(fd: int, answer: bytearray) -> Attachment:
    """Describe what kernels since 6.6 tell; before, the holder's descriptor is asked."""
    (kind,) = struct.unpack_from("=I", answer, 16)
    name = _PERF_TYPES[kind] if kind < len(_PERF_TYPES) else "unspec"
    if name == "unspec":
        return Attachment("perf_event")
    if name == "event":
        config, number = struct.unpack_from("=QI", answer, 24)
        return Attachment("perf_event", f"type {number}, config {config:#x}")
    target, answer = _with_text(fd, 24, 32)
    offset, address = struct.unpack_from("=IQ", answer, 36)
    return Attachment(name, _place(name, target, offset, address))


def _kprobe_multi(fd: int, answer: bytearray) -> Attachment:
    count, flags = struct.unpack_from("=II", answer, 24)
    addresses, again = bytearray(8 * count), bytearray(_INFO_BYTES)
    struct.pack_into("=QI", again, 16, _syscalls.address(addresses), count)
    (first,) = struct.unpack_from("=Q", addresses) if _asked(fd, again) and count else (0,)
    attach = "kretprobe_multi" if flags & _RETURN else "kprobe_multi"
    name = names.function_at(first) if first else None
    return Attachment(attach, _several(name or "", count, "functions"))


def _uprobe_multi(fd: int, answer: bytearray) -> Attachment:
    count, flags = struct.unpack_from("=II", answer, 52)
    path, offsets, again = bytearray(_TEXT_BYTES), bytearray(8 * count), bytearray(_INFO_BYTES)
    struct.pack_into("=QQ", again, 16, _syscalls.address(path), _syscalls.address(offsets))
    struct.pack_into("=II", again, 48, len(path), count)
    told = _asked(fd, again) and count
    name = f"{text(path)}+{struct.unpack_from('=Q', offsets)[0]:#x}" if told else ""
    attach = "uretprobe_multi" if flags & _RETURN else "uprobe_multi"
    return Attachment(attach, _several(name, count, "places"))


def _several(name: str, count: int, what: str) -> str:
    if not name:
        return f"{count} {what}"
    return name if count == 1 else f"{name} and {count - 1} more"


def _interface(kind: str) -> Callable[[int, bytearray], Attachment]:
    def describe(fd: int, answer: bytearray) -> Attachment:
        (index,) = struct.unpack_from("=I", answer, 16)
        try:
            return Attachment(kind, socket.if_indextoname(index))
        except OSError:  # of another network namespace
            return Attachment(kind, f"interface {index}")

    return describe


_DESCRIBE: dict[str, Callable[[int, bytearray], Attachment]] = {
    "raw_tracepoint": _raw_tracepoint,
    "tracing": _tracing,
    "perf_event": _perf_event,
    "kprobe_multi": _kprobe_multi,
    "uprobe_multi": _uprobe_multi,
    **{kind: _interface(kind) for kind in ("xdp", "tcx", "netkit")},
}


def _with_text(fd: int, pointer_at: int, length_at: int) -> tuple[str, bytearray]:
    """Ask a link again, with room for the text it points to; return the text and the answer."""
    buffer, again = bytearray(_TEXT_BYTES), bytearray(_INFO_BYTES)
    struct.pack_into("=Q", again, pointer_at, _syscalls.address(buffer))
    struct.pack_into("=I", again, length_at, len(buffer))
    _asked(fd, again)
    return text(buffer), again


def _asked(fd: int, prepared: bytearray) -> bool:
    try:
        info(fd, len(prepared), prepared)
    except OSError as error:
        return error.errno == errno.ENOSPC  # cut short, to what there was room for
    return True
