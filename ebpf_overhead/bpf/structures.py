"""The kernel's structures for bpf(2), instructions, type information and perf events.

Names and layouts are those of ``include/uapi/linux/bpf.h``, ``btf.h`` and ``perf_event.h``, which
are a stable interface.  Only the fields up to the last one that is used are declared.  What the
kernel tells of its objects is in :mod:`ebpf_overhead.bpf.infos`.

bpf(2) takes structures that are shorter or longer than the kernel's own.  The kernel takes what is
missing as zero.  What it does not know must be zero, and stays zero in an answer: :func:`filled`
tells whether a zero was its answer.
"""

from __future__ import annotations

from ctypes import (
    Array,
    Structure,
    Union,
    c_char,
    c_int16,
    c_int32,
    c_uint8,
    c_uint16,
    c_uint32,
    c_uint64,
)
from typing import Any

Name = c_char * 16  # BPF_OBJ_NAME_LEN


def u32(names: str) -> tuple[tuple[str, type[c_uint32]], ...]:
    """Return fields of 32 bits."""
    return tuple((name, c_uint32) for name in names.split())


def u64(names: str) -> tuple[tuple[str, type[c_uint64]], ...]:
    """Return fields of 64 bits: numbers, and addresses on every machine."""
    return tuple((name, c_uint64) for name in names.split())


class Declared(Structure):
    """A structure that refuses what it does not declare; ctypes would keep it silently."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not hasattr(type(self), name):
            raise AttributeError(f"{type(self).__name__} has no field {name!r}")
        super().__setattr__(name, value)


def filled(answer: Structure, field: str, length_bytes: int) -> bool:
    """Whether the kernel's answer of so many bytes holds a field of the structure."""
    place = getattr(type(answer), field)
    return bool(place.offset + place.size <= length_bytes)


# The attributes of bpf(2): members of union bpf_attr.


class MapCreateAttr(Declared):
    """``BPF_MAP_CREATE``."""

    _fields_ = (
        *u32("map_type key_size value_size max_entries map_flags inner_map_fd numa_node"),
        ("map_name", Name),
        *u32("map_ifindex btf_fd btf_key_type_id btf_value_type_id"),
    )


class MapElementAttr(Declared):
    """``BPF_MAP_*_ELEM``."""

    _fields_ = (*u32("map_fd"), *u64("key value flags"))


class MapBatchAttr(Declared):
    """``BPF_MAP_*_BATCH``; the kernel writes how many there were into ``count``."""

    _fields_ = (
        *u64("in_batch out_batch keys values"),
        *u32("count map_fd"),
        *u64("elem_flags flags"),
    )


class ProgLoadAttr(Declared):
    """``BPF_PROG_LOAD``."""

    _fields_ = (
        *u32("prog_type insn_cnt"),
        *u64("insns license"),
        *u32("log_level log_size"),
        *u64("log_buf"),
        *u32("kern_version prog_flags"),
        ("prog_name", Name),
        *u32("prog_ifindex expected_attach_type prog_btf_fd func_info_rec_size"),
        *u64("func_info"),
        *u32("func_info_cnt line_info_rec_size"),
        *u64("line_info"),
        *u32("line_info_cnt attach_btf_id"),
    )


class IdAttr(Declared):
    """``BPF_*_GET_NEXT_ID``, which fills ``next_id``, and ``BPF_*_GET_FD_BY_ID``."""

    _fields_ = u32("start_id next_id")


class InfoAttr(Declared):
    """``BPF_OBJ_GET_INFO_BY_FD``; the kernel writes the length of its answer."""

    _fields_ = (*u32("bpf_fd info_len"), *u64("info"))


class RawTracepointAttr(Declared):
    """``BPF_RAW_TRACEPOINT_OPEN``."""

    _fields_ = (*u64("name"), *u32("prog_fd"))


class TestRunAttr(Declared):
    """``BPF_PROG_TEST_RUN``, the first fields of it."""

    _fields_ = (
        *u32("prog_fd retval data_size_in data_size_out"),
        *u64("data_in data_out"),
        *u32("repeat duration"),
    )


class BtfLoadAttr(Declared):
    """``BPF_BTF_LOAD``."""

    _fields_ = (*u64("btf btf_log_buf"), *u32("btf_size"))


class TaskFdQueryAttr(Declared):
    """``BPF_TASK_FD_QUERY``; the kernel fills all but the first three fields."""

    _fields_ = (
        *u32("pid fd flags buf_len"),
        *u64("buf"),
        *u32("prog_id fd_type"),
        *u64("probe_offset probe_addr"),
    )


class ProgQueryAttr(Declared):
    """``BPF_PROG_QUERY``; the kernel writes how many programs there are into ``prog_cnt``.

    It writes ``revision``, too, however short it was told that this is (``bpf_mprog_query``,
    kernel/bpf/mprog.c, Linux 6.6): nothing may be left out.
    """

    _fields_ = (
        *u32("target attach_type query_flags attach_flags"),
        *u64("prog_ids"),
        *u32("prog_cnt _padding"),
        *u64("prog_attach_flags link_ids link_attach_flags revision"),
    )


class EnableStatsAttr(Declared):
    """``BPF_ENABLE_STATS``."""

    _fields_ = u32("type")


class _KprobeMulti(Declared):
    _fields_ = (*u32("flags cnt"), *u64("syms addrs cookies"))


class _UprobeMulti(Declared):
    _fields_ = (*u64("path offsets ref_ctr_offsets cookies"), *u32("cnt flags pid"))


class _TracingMulti(Declared):
    _fields_ = (*u64("ids cookies"), *u32("cnt"))


class _LinkTarget(Union):
    _fields_ = (
        ("kprobe_multi", _KprobeMulti),
        ("uprobe_multi", _UprobeMulti),
        ("tracing_multi", _TracingMulti),  # 7.2
    )


class LinkCreateAttr(Declared):
    """``BPF_LINK_CREATE``."""

    _anonymous_ = ("target",)
    _fields_ = (*u32("prog_fd target_fd attach_type flags"), ("target", _LinkTarget))


# Programs and their type information.

LOAD_64 = 0x18  # BPF_LD | BPF_IMM | BPF_DW: the one instruction that takes the room of two
# In src_reg of LOAD_64: what its number stands for.
PSEUDO_MAP_FD, PSEUDO_MAP_VALUE, PSEUDO_FUNC = 1, 2, 4


class BpfInsn(Declared):
    """``struct bpf_insn``: an instruction."""

    _fields_ = (
        ("code", c_uint8),
        ("dst_reg", c_uint8, 4),
        ("src_reg", c_uint8, 4),
        ("off", c_int16),
        ("imm", c_int32),
    )


def instructions(code: bytes | bytearray) -> Array[BpfInsn]:
    """Return a copy of a program's instructions, which may be changed and turned into bytes."""
    return (BpfInsn * (len(code) // 8)).from_buffer_copy(code)


class BpfFuncInfo(Declared):
    """``struct bpf_func_info``: where a function begins, and its type."""

    _fields_ = u32("insn_off type_id")


class BtfHeader(Declared):
    """``struct btf_header``."""

    _fields_ = (
        ("magic", c_uint16),
        ("version", c_uint8),
        ("flags", c_uint8),
        *u32("hdr_len type_off type_len str_off str_len"),
    )


class BtfType(Declared):
    """``struct btf_type``; ``size`` is the number of another type for kinds that name one."""

    _fields_ = u32("name_off info size")


# Perf events and the buffers that programs write.


class PerfEventAttr(Declared):
    """``struct perf_event_attr``, as of Linux 4.1 (``PERF_ATTR_SIZE_VER5``)."""

    _fields_ = (
        *u32("type size"),
        *u64("config sample_period sample_type read_format"),
        ("disabled", c_uint64, 1),
        ("inherit", c_uint64, 1),
        ("pinned", c_uint64, 1),
        ("exclusive", c_uint64, 1),
        ("exclude_user", c_uint64, 1),
        ("exclude_kernel", c_uint64, 1),
        ("exclude_hv", c_uint64, 1),
        *u32("wakeup_events bp_type"),
        *u64("config1 config2 branch_sample_type sample_regs_user"),
        *u32("sample_stack_user clockid"),
        *u64("sample_regs_intr"),
        *u32("aux_watermark"),
        ("sample_max_stack", c_uint16),
    )


class PerfMmapPage(Declared):
    """``struct perf_event_mmap_page``: the first page of a perf buffer."""

    _fields_ = (("_before", c_uint8 * 1024), *u64("data_head data_tail"))


class PerfEventHeader(Declared):
    """``struct perf_event_header``, in front of every record of a perf buffer."""

    _fields_ = (("type", c_uint32), ("misc", c_uint16), ("size", c_uint16))


class RingbufHeader(Declared):
    """``struct bpf_ringbuf_hdr`` of ``kernel/bpf/ringbuf.c``, in front of every record."""

    _fields_ = u32("len pg_off")
