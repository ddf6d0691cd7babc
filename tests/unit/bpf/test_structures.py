"""The kernel's structures and numbers, checked against its headers and the running kernel."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from collections.abc import Iterator
from ctypes import Structure
from pathlib import Path
from typing import NamedTuple

import pytest

from ebpf_overhead.bpf import btf, infos, maps, structures, syscall
from ebpf_overhead.bpf.structures import BtfType
from ebpf_overhead.bpf.syscall import TraceAttachType
from ebpf_overhead.errors import MissingToolError
from ebpf_overhead.tools.top import attachments

# What each structure is called in C, and the member of it where that is an attribute of bpf(2).
IN_C = {
    structures.MapCreateAttr: ("union bpf_attr", ""),
    structures.MapElementAttr: ("union bpf_attr", ""),
    structures.MapBatchAttr: ("union bpf_attr", "batch"),
    structures.ProgLoadAttr: ("union bpf_attr", ""),
    structures.IdAttr: ("union bpf_attr", ""),
    structures.InfoAttr: ("union bpf_attr", "info"),
    structures.RawTracepointAttr: ("union bpf_attr", "raw_tracepoint"),
    structures.TestRunAttr: ("union bpf_attr", "test"),
    structures.BtfLoadAttr: ("union bpf_attr", ""),
    structures.TaskFdQueryAttr: ("union bpf_attr", "task_fd_query"),
    structures.EnableStatsAttr: ("union bpf_attr", "enable_stats"),
    structures.LinkCreateAttr: ("union bpf_attr", "link_create"),
    infos.BpfProgInfo: ("struct bpf_prog_info", ""),
    infos.BpfMapInfo: ("struct bpf_map_info", ""),
    infos.BpfBtfInfo: ("struct bpf_btf_info", ""),
    infos.BpfLinkInfo: ("struct bpf_link_info", ""),
    structures.BpfInsn: ("struct bpf_insn", ""),
    structures.BpfFuncInfo: ("struct bpf_func_info", ""),
    structures.BtfHeader: ("struct btf_header", ""),
    structures.BtfType: ("struct btf_type", ""),
    structures.PerfEventAttr: ("struct perf_event_attr", ""),
    structures.PerfMmapPage: ("struct perf_event_mmap_page", ""),
    structures.PerfEventHeader: ("struct perf_event_header", ""),
    structures.RingbufHeader: ("struct bpf_ringbuf_hdr", ""),
}
# What came after Linux 5.10, the oldest kernel that is measured, or is in no header.
NEWER = re.compile(
    r"bpf_attr\.link_create\.([ku]probe|tracing)_multi"
    r"|bpf_prog_info\.(recursion_misses|verified_insns|attach_btf_\w+)"
    r"|bpf_btf_info\.(name|name_len|kernel_btf)"
    r"|bpf_link_info\.([ku]probe_multi|tracing_multi|perf_event|tcx|netkit|tracing\.target_)"
    r"|bpf_ringbuf_hdr\."
)
TRACE = (TraceAttachType.RAW_TP, TraceAttachType.FENTRY, TraceAttachType.FEXIT)
NUMBERS = {
    **{f"BPF_{each.name}": int(each) for each in syscall.BpfCommand},
    **{f"BPF_{each.name}": int(each) for each in TraceAttachType if each not in TRACE},
    **{f"BPF_TRACE_{each.name}": int(each) for each in TRACE},
    **{f"BPF_LINK_TYPE_{each.name}": int(each) for each in attachments._LinkType},
    **{f"BPF_PERF_EVENT_{each.name}": int(each) for each in attachments._PerfEventType},
    **{f"BPF_FD_TYPE_{each.name}": int(each) for each in attachments._TaskFdType},
    **{f"BPF_PROG_TYPE_{each.name}": int(each) for each in syscall.ProgType},
    **{f"BPF_MAP_TYPE_{each.name}": int(each) for each in maps.MapType},
    "BPF_PSEUDO_MAP_FD": structures.PSEUDO_MAP_FD,
    "BPF_PSEUDO_FUNC": structures.PSEUDO_FUNC,
    "BPF_LD | BPF_IMM | BPF_DW": structures.LOAD_64,
    "BPF_STATS_RUN_TIME": 0,
    "BPF_F_KPROBE_MULTI_RETURN": 1,
    "BTF_MAGIC": 0xEB9F,
    "BTF_KIND_INT": 1,
    "BTF_KIND_TYPEDEF": 8,
    "BTF_KIND_FUNC": 12,
    "BTF_KIND_FUNC_PROTO": 13,
    "PERF_TYPE_TRACEPOINT": 2,
    "PERF_SAMPLE_RAW": 1 << 10,
    "PERF_RECORD_SAMPLE": 9,
    "PERF_COUNT_SW_BPF_OUTPUT": 10,
    "PERF_ATTR_SIZE_VER5": ctypes.sizeof(structures.PerfEventAttr),
    "PERF_FLAG_FD_CLOEXEC": 8,
    "PERF_EVENT_IOC_SET_BPF": 0x40042408,
    "PERF_EVENT_IOC_ENABLE": 0x2400,
}
# Numbers of kernels since 5.11; every other one that a header lacks is a mistake.
NEWER_NUMBERS = re.compile(
    r"BPF_PSEUDO_FUNC$|BPF_TRACE_(F(ENTRY|EXIT)_MULTI|FSESSION(_MULTI)?|[KU]PROBE_(MULTI|SESSION))$|BPF_F_KPROBE_MULTI_RETURN$"
    r"|BPF_STRUCT_OPS$|BPF_TCX_INGRESS$|BPF_NETKIT_PRIMARY$"
    r"|BPF_PROG_TYPE_(SYSCALL|NETFILTER)$|BPF_PERF_EVENT_"
    r"|BPF_LINK_TYPE_(PERF_EVENT|[KU]PROBE_MULTI|STRUCT_OPS|NETFILTER|TCX|NETKIT|SOCKMAP)$"
    r"|BPF_LINK_TYPE_TRACING_MULTI$"
)
# Names of this project, for a number that has none in C.
OURS = {"BPF_NONE"}


class Field(NamedTuple):
    """A field of a structure: its path in C, and where it lies."""

    type: str
    path: str
    offset: int
    size: int

    @property
    def name(self) -> str:
        return f"{self.type.split()[1]}.{self.path}"


def fields(structure: type[Structure], type_: str, path: str, base: int = 0) -> Iterator[Field]:
    """Yield the fields of a structure and of what lies in it, but those of single bits."""
    for name, kind, *bits in structure._fields_:
        if bits or name.startswith("_"):
            continue
        offset = base + getattr(structure, name).offset
        inside = path if name in getattr(structure, "_anonymous_", ()) else f"{path}.{name}"
        if issubclass(kind, (Structure, ctypes.Union)):
            yield from fields(kind, type_, inside, offset)
        else:
            yield Field(type_, inside.lstrip("."), offset, ctypes.sizeof(kind))


def all_fields() -> list[Field]:
    """Return the fields of all structures; those of an attribute count from its beginning."""
    return [
        each
        for structure, (type_, member) in IN_C.items()
        for each in fields(structure, type_, member)
    ]


C_SOURCE = """
#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/perf_event.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
static _Alignas(8) unsigned char all[4096];
int main(void)
{
%s
}
"""
# A line for each question: what a compiler does not know of, it tells by the number of the line.
NUMBER = 'printf("{0} = %lu\\n", (unsigned long)({0}));'
FIELD = 'printf("{0}.{1} = %zu, %zu\\n", offsetof({0}, {1}), sizeof((({0} *)0)->{1}));'
BITS = (
    'printf("{0}.{1} = "); memset(&all, 0, sizeof(all));'
    " (({0} *)all)->{1} = -1;"
    ' for (size_t i = 0; i < sizeof({0}); i++) printf("%02x", all[i]);'
    ' printf("\\n");'
)


def of_the_headers(folder: Path, wanted: dict[str, str]) -> dict[str, str]:
    """Return what a C program prints of each line that the headers know."""
    compiler = shutil.which("cc")
    if compiler is None or not Path("/usr/include/linux/bpf.h").exists():
        pytest.skip("needs a C compiler and the user-space kernel headers")
    source, program = folder / "layout.c", folder / "layout"
    first = C_SOURCE[: C_SOURCE.index("%s")].count("\n") + 1
    unknown: set[int] = set()
    while True:
        lines = ["" if at in unknown else line for at, line in enumerate(wanted.values(), first)]
        source.write_text(C_SOURCE % "\n".join(lines))
        build = [compiler, "-o", str(program), str(source)]
        result = subprocess.run(build, capture_output=True, text=True, check=False)
        errors = {int(found) for found in re.findall(r"layout\.c:(\d+):\d+: error", result.stderr)}
        if errors <= unknown:
            break
        unknown |= errors
    assert result.returncode == 0, result.stderr
    output = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
    return dict(line.split(" = ") for line in output.splitlines())


def test_numbers_are_those_of_the_headers(tmp_path):
    wanted = {name: NUMBER.format(name) for name in NUMBERS if name not in OURS}
    told = of_the_headers(tmp_path, wanted)
    assert told == {name: str(int(NUMBERS[name])) for name in wanted if name in told}
    missing = [name for name in wanted if name not in told and not NEWER_NUMBERS.match(name)]
    assert not missing


def test_fields_lie_where_the_headers_say(tmp_path):
    wanted = {
        f"{each.type}.{each.path}": FIELD.format(each.type, each.path) for each in all_fields()
    }
    told = of_the_headers(tmp_path, wanted)
    assert told == {
        f"{each.type}.{each.path}": f"{each.offset}, {each.size}"
        for each in all_fields()
        if f"{each.type}.{each.path}" in told
    }
    missing = [name for name in wanted if name not in told]
    assert not [name for name in missing if not NEWER.match(name.split(" ")[1])]


def test_bits_lie_where_the_headers_say(tmp_path):
    here = {}
    for structure, (type_, _) in IN_C.items():
        for name, _, *bits in structure._fields_:
            if bits:
                value = structure()
                setattr(value, name, (1 << bits[0]) - 1)
                here[type_, name] = bytes(value).hex()
    wanted = {f"{type_}.{name}": BITS.format(type_, name) for type_, name in here}
    told = of_the_headers(tmp_path, wanted)
    assert len(here) >= 10
    for (type_, name), layout in here.items():
        theirs = told[f"{type_}.{name}"]  # the whole structure may be longer
        assert theirs == layout.ljust(len(theirs), "0"), name


class _Member(Structure):
    """``struct btf_member``; with bits of their own, their number is in the highest byte."""

    _fields_ = [(name, ctypes.c_uint32) for name in ("name_off", "type", "offset")]


STRUCT, UNION = 4, 5
QUALIFIERS = (8, 9, 10, 11)  # typedef, volatile, const, restrict


def place(library: ctypes.CDLL, types: int, number: int, path: list[str]) -> int | None:
    """Return where a member of a type of the kernel lies, in bytes; None if it has none."""
    found = library.btf__type_by_id(types, number)
    type_ = BtfType.from_address(found)
    kind = type_.info >> 24 & 0x1F
    if kind in QUALIFIERS:
        return place(library, types, type_.size, path)
    if kind not in (STRUCT, UNION):
        return None
    members = (_Member * (type_.info & 0xFFFF)).from_address(found + ctypes.sizeof(BtfType))
    for each in members:
        name = library.btf__name_by_offset(types, each.name_off).decode()
        rest = path[1:] if name == path[0] else path if not name else None
        if rest is None:
            continue
        inside = place(library, types, each.type, rest) if rest else 0
        if inside is not None:
            return (each.offset & 0xFFFFFF) // 8 + inside
    return None


def test_fields_lie_where_the_running_kernel_has_them():
    """Its own type information tells, and knows what is newer than the headers."""
    try:
        library, types = btf._libbpf_of_types(), btf._vmlinux_types()
    except (MissingToolError, AttributeError) as error:
        pytest.skip(str(error))
    if types is None:
        pytest.skip("the running kernel has no type information")
    wrong = []
    for each in all_fields():
        kind, name = each.type.split()
        number = library.btf__find_by_name_kind(
            types, name.encode(), UNION if kind == "union" else STRUCT
        )
        found = place(library, types, number, each.path.split(".")) if number > 0 else None
        if found != each.offset and not (found is None and NEWER.match(each.name)):
            wrong.append((each.name, each.offset, found))
    assert not wrong


def test_unknown_field_is_refused():
    with pytest.raises(AttributeError, match="MapCreateAttr has no field 'key_bytes'"):
        structures.MapCreateAttr(key_bytes=4)
    attribute = structures.LinkCreateAttr()
    with pytest.raises(AttributeError, match="no field 'count'"):
        attribute.kprobe_multi.count = 1


@pytest.mark.parametrize(("length_bytes", "whether"), [(216, True), (215, False), (232, True)])
def test_field_is_filled_when_the_answer_holds_all_of_it(length_bytes, whether):
    told = infos.BpfProgInfo()
    assert structures.filled(told, "recursion_misses", length_bytes) is whether


def test_instructions_are_a_copy():
    code = bytes(structures.BpfInsn(structures.LOAD_64, 2, 1, 0, 9)) + bytes(8)
    changed = structures.instructions(code)
    changed[0].imm = 77
    assert structures.instructions(code)[0].imm == 9
    assert bytes(changed)[4] == 77
