"""What the kernel tells of its programs, maps, links and type information.

Names and layouts are those of ``include/uapi/linux/bpf.h``.  Who asks hands pointers to buffers
over, with the lengths of the buffers.  Comments name the kernel that a field came with.
"""

from __future__ import annotations

from ctypes import Union, c_uint8, c_uint32

from ebpf_overhead.bpf.structures import Declared, Name, u32, u64


class BpfProgInfo(Declared):
    """``struct bpf_prog_info``."""

    _fields_ = (
        *u32("type id"),
        ("tag", c_uint8 * 8),
        *u32("jited_prog_len xlated_prog_len"),
        *u64("jited_prog_insns xlated_prog_insns load_time"),
        *u32("created_by_uid nr_map_ids"),
        *u64("map_ids"),
        ("name", Name),
        *u32("ifindex"),
        ("gpl_compatible", c_uint32, 1),
        *u64("netns_dev netns_ino"),
        *u32("nr_jited_ksyms nr_jited_func_lens"),
        *u64("jited_ksyms jited_func_lens"),
        *u32("btf_id func_info_rec_size"),
        *u64("func_info"),
        *u32("nr_func_info nr_line_info"),
        *u64("line_info jited_line_info"),
        *u32("nr_jited_line_info line_info_rec_size jited_line_info_rec_size nr_prog_tags"),
        *u64("prog_tags run_time_ns run_cnt"),
        *u64("recursion_misses"),  # 5.12
        *u32("verified_insns"),  # 5.16
        *u32("attach_btf_obj_id attach_btf_id"),  # 6.0
    )


class BpfMapInfo(Declared):
    """``struct bpf_map_info``."""

    _fields_ = (*u32("type id key_size value_size max_entries map_flags"), ("name", Name))


class BpfBtfInfo(Declared):
    """``struct bpf_btf_info``."""

    _fields_ = (*u64("btf"), *u32("btf_size id"), *u64("name"), *u32("name_len kernel_btf"))


class _RawTracepoint(Declared):
    _fields_ = (*u64("tp_name"), *u32("tp_name_len"))


class _Tracing(Declared):
    _fields_ = u32("attach_type target_obj_id target_btf_id")


class _Interface(Declared):
    _fields_ = u32("ifindex")


class _Cgroup(Declared):
    _fields_ = (*u64("cgroup_id"), *u32("attach_type"))


class _NetworkNamespace(Declared):
    _fields_ = u32("netns_ino attach_type")


class _KprobeMultiInfo(Declared):
    _fields_ = (*u64("addrs"), *u32("count flags"))


class _UprobeMultiInfo(Declared):
    _fields_ = (
        *u64("path offsets ref_ctr_offsets cookies"),
        *u32("path_size count flags pid"),
    )


class _TracingMultiInfo(Declared):
    _fields_ = (*u32("attach_type count btf_obj_id"), *u64("ids addrs cookies"))


class _Uprobe(Declared):
    _fields_ = (*u64("file_name"), *u32("name_len offset"))


class _Kprobe(Declared):
    _fields_ = (*u64("func_name"), *u32("name_len offset"), *u64("addr"))


class _Tracepoint(Declared):
    _fields_ = (*u64("tp_name"), *u32("name_len"))


class _Event(Declared):
    _fields_ = (*u64("config"), *u32("type"))


class _PerfEventOf(Union):
    _fields_ = (
        ("uprobe", _Uprobe),
        ("kprobe", _Kprobe),
        ("tracepoint", _Tracepoint),
        ("event", _Event),
    )


class _PerfEvent(Declared):
    _anonymous_ = ("of",)
    _fields_ = (*u32("type"), ("of", _PerfEventOf))


class _LinkOf(Union):
    _fields_ = (
        ("raw_tracepoint", _RawTracepoint),
        ("tracing", _Tracing),
        ("cgroup", _Cgroup),
        ("netns", _NetworkNamespace),
        ("xdp", _Interface),
        ("kprobe_multi", _KprobeMultiInfo),  # 6.6
        ("perf_event", _PerfEvent),  # 6.6
        ("tcx", _Interface),  # 6.6
        ("netkit", _Interface),  # 6.7
        ("uprobe_multi", _UprobeMultiInfo),  # 6.8
        ("tracing_multi", _TracingMultiInfo),  # 7.2
    )


class BpfLinkInfo(Declared):
    """``struct bpf_link_info``."""

    _anonymous_ = ("of",)
    _fields_ = (*u32("type id prog_id"), ("of", _LinkOf))
