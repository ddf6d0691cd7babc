"""Attributes of bpf(2), byte by byte, without calling it."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from fake_kernel import FakeKernel

from ebpf_overhead import bpf, maps

# Field of `union bpf_attr` -> (offset, struct format), from include/uapi/linux/bpf.h.
LOAD_FIELDS = {
    "prog_type": (0, "I"),
    "insn_cnt": (4, "I"),
    "insns": (8, "Q"),
    "license": (16, "Q"),
    "log_level": (24, "I"),
    "log_size": (28, "I"),
    "log_buf": (32, "Q"),
    "kern_version": (40, "I"),
    "prog_flags": (44, "I"),
    "prog_name": (48, "16s"),
    "prog_ifindex": (64, "I"),
    "expected_attach_type": (68, "I"),
    "prog_btf_fd": (72, "I"),
    "func_info": (80, "Q"),
    "line_info": (96, "Q"),
    "attach_btf_id": (108, "I"),
    "attach_prog_fd": (112, "I"),
}
TWO_INSTRUCTIONS = bytes.fromhex("b700000000000000") + bytes.fromhex("9500000000000000")


@pytest.fixture
def kernel(monkeypatch):
    fake = FakeKernel(42)
    monkeypatch.setattr(bpf, "_syscalls", fake)
    return fake


def load_fields(attribute: bytes) -> dict[str, int | bytes]:
    return {
        name: struct.unpack_from("=" + layout, attribute, offset)[0]
        for name, (offset, layout) in LOAD_FIELDS.items()
    }


def text_behind(kernel: FakeKernel, offset: int) -> list[bytes]:
    """Collect the texts that a pointer of the attribute shows, as the kernel would."""
    texts: list[bytes] = []

    def read(attribute: bytes) -> None:
        texts.append(ctypes.string_at(struct.unpack_from("=Q", attribute, offset)[0]))

    kernel.fill = read
    return texts


def test_prog_load_packs_a_tracing_program(kernel):
    licences = text_behind(kernel, LOAD_FIELDS["license"][0])
    fd = bpf.prog_load(
        TWO_INSTRUCTIONS, bpf.ProgType.TRACING, bpf.TraceAttachType.FENTRY, 1234, "simple"
    )
    assert fd == 42
    ((command, attribute),) = kernel.calls
    fields = load_fields(attribute)
    assert command == 5
    assert fields.pop("prog_type") == 26
    assert fields.pop("insn_cnt") == 2
    assert fields.pop("license")
    assert licences == [b"GPL"]
    assert ctypes.string_at(fields.pop("insns"), 16) == TWO_INSTRUCTIONS
    assert fields.pop("prog_name") == b"simple".ljust(16, b"\0")
    assert fields.pop("expected_attach_type") == 24
    assert fields.pop("attach_btf_id") == 1234
    assert set(fields.values()) == {0}, "nothing else is asked, no log on the first try"
    assert not any(attribute[116:])


def test_prog_name_is_cut_and_stays_terminated(kernel):
    bpf.prog_load(TWO_INSTRUCTIONS, bpf.ProgType.KPROBE, name="a" * 40)
    fields = load_fields(kernel.calls[0][1])
    assert fields["prog_name"] == b"a" * 15 + b"\0"
    assert fields["prog_type"] == 2


def test_refused_program_is_loaded_again_for_the_verifiers_log(monkeypatch):
    refusal = OSError(errno.EACCES, "bpf: Permission denied")
    kernel = FakeKernel(refusal, refusal)

    def write_log(attribute: bytearray) -> None:
        fields = load_fields(attribute)
        if fields["log_buf"]:
            ctypes.memmove(fields["log_buf"], b"R0 invalid mem access\n\0", 23)

    kernel.fill = write_log
    monkeypatch.setattr(bpf, "_syscalls", kernel)
    with pytest.raises(bpf.VerifierRejection) as caught:
        bpf.prog_load(TWO_INSTRUCTIONS, bpf.ProgType.TRACING)
    assert caught.value.log == "R0 invalid mem access"
    assert caught.value.errno == errno.EACCES
    assert "BPF_PROG_LOAD" in str(caught.value)
    second = load_fields(kernel.calls[1][1])
    assert second["log_level"] == 1
    assert second["log_size"] >= 1 << 16


def test_names_that_the_kernel_does_not_take(kernel):
    bpf.prog_load(TWO_INSTRUCTIONS, bpf.ProgType.KPROBE, name="my pröbe-1.c")
    assert load_fields(kernel.calls[0][1])["prog_name"] == b"my_pr_be_1.c".ljust(16, b"\0")


@pytest.mark.parametrize("too_long", [False, True])
def test_log_of_a_program_that_is_accepted(monkeypatch, too_long):
    read, write = os.pipe()
    kernel = FakeKernel(OSError(errno.ENOSPC, "bpf: log too short") if too_long else read)

    def write_log(attribute: bytearray) -> None:
        fields = load_fields(attribute)
        assert fields["log_level"] == 2, "at level 1 the kernel keeps the last line only"
        ctypes.memmove(fields["log_buf"], b"0: (b7) r0 = 0\n\0", 16)

    kernel.fill = write_log
    monkeypatch.setattr(bpf, "_syscalls", kernel)
    assert bpf.prog_log(TWO_INSTRUCTIONS, bpf.ProgType.KPROBE) == "0: (b7) r0 = 0"
    os.close(write)
    if too_long:
        os.close(read)
    else:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(read)


def test_second_try_may_succeed(monkeypatch):
    """The kernel says EAGAIN when it is disturbed: that is no rejection."""
    monkeypatch.setattr(bpf, "_syscalls", FakeKernel(OSError(errno.EAGAIN, "busy"), 7))
    assert bpf.prog_load(TWO_INSTRUCTIONS, bpf.ProgType.TRACING) == 7


def test_raw_tracepoint_open(kernel):
    names = text_behind(kernel, offset=0)
    assert bpf.raw_tracepoint_open(9, "sys_enter") == 42
    ((command, attribute),) = kernel.calls
    assert command == 17
    assert names == [b"sys_enter"]
    assert struct.unpack_from("=I", attribute, 8) == (9,)
    assert not any(attribute[12:])


def test_raw_tracepoint_open_of_a_program_that_knows_its_hook(kernel):
    bpf.raw_tracepoint_open(9, None)
    assert struct.unpack_from("=QI", kernel.calls[0][1]) == (0, 9)


def test_enable_stats_asks_for_run_time(kernel):
    assert bpf.enable_stats() == 42
    assert kernel.calls == [(32, bytes(128))]  # BPF_STATS_RUN_TIME is 0


@pytest.mark.parametrize(("filled", "misses"), [(232, 5), (216, 5), (208, None), (192, None)])
def test_prog_info_reads_counts_and_knows_old_kernels(kernel, filled, misses):
    def fill(attribute: bytearray) -> None:
        prog_fd, size, address = struct.unpack_from("=IIQ", attribute)
        assert prog_fd == 9
        info = bytearray(size)
        struct.pack_into("=I", info, 4, 77)
        struct.pack_into("=QQ", info, 200, 1 << 40, 5)
        ctypes.memmove(address, bytes(info), min(filled, size))
        struct.pack_into("=I", attribute, 4, filled)

    kernel.fill = fill
    info = bpf.prog_info(9)
    assert kernel.calls[0][0] == 15
    assert info.prog_id == 77
    assert info.recursion_misses == misses
    if filled >= 208:
        assert info.run_count == 1 << 40


def test_failed_call_names_its_command(monkeypatch):
    monkeypatch.setattr(bpf, "_syscalls", FakeKernel(OSError(errno.EPERM, "bpf: no")))
    with pytest.raises(PermissionError, match=r"bpf\(BPF_ENABLE_STATS\)"):
        bpf.enable_stats()


C_SOURCE = """
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stddef.h>
#include <stdio.h>
#define FIELD(type, name) printf(#type "." #name " %%zu\\n", offsetof(type, name))
#define NUMBER(name) printf(#name " %%lu\\n", (unsigned long)(name))
int main(void)
{
    typedef union bpf_attr attr;
    typedef struct bpf_prog_info info;
    typedef struct bpf_map_info map;
    typedef struct perf_event_attr perf;
%s
    return 0;
}
"""
NUMBERS = {
    **{f"BPF_{each.name}": int(each) for each in bpf.Command},
    **{f"BPF_PROG_TYPE_{each.name}": int(each) for each in bpf.ProgType},
    **{f"BPF_MAP_TYPE_{each.name}": int(each) for each in maps.MapType},
    "BPF_TRACE_RAW_TP": bpf.TraceAttachType.RAW_TP,
    "BPF_TRACE_FENTRY": bpf.TraceAttachType.FENTRY,
    "BPF_TRACE_FEXIT": bpf.TraceAttachType.FEXIT,
    "BPF_MODIFY_RETURN": bpf.TraceAttachType.MODIFY_RETURN,
    "BPF_LSM_MAC": bpf.TraceAttachType.LSM_MAC,
    "BPF_STATS_RUN_TIME": 0,
    "PERF_TYPE_TRACEPOINT": 2,
    "PERF_ATTR_SIZE_VER5": 112,
    "PERF_FLAG_FD_CLOEXEC": 8,
    "PERF_EVENT_IOC_SET_BPF": 0x40042408,
    "PERF_EVENT_IOC_ENABLE": 0x2400,
}
OFFSETS = {
    **{f"attr.{name}": offset for name, (offset, _) in LOAD_FIELDS.items()},
    "attr.raw_tracepoint.name": 0,
    "attr.raw_tracepoint.prog_fd": 8,
    "attr.batch.in_batch": 0,
    "attr.batch.out_batch": 8,
    "attr.batch.keys": 16,
    "attr.batch.values": 24,
    "attr.batch.count": 32,
    "attr.batch.map_fd": 36,
    "attr.info.bpf_fd": 0,
    "attr.info.info_len": 4,
    "attr.info.info": 8,
    "map.type": 0,
    "map.key_size": 8,
    "map.value_size": 12,
    "map.max_entries": 16,
    "info.id": 4,
    "info.run_time_ns": 192,
    "info.run_cnt": 200,
    "info.recursion_misses": 208,
    "perf.config": 8,
    "perf.sample_period": 16,
    "perf.config1": 56,
    "perf.config2": 64,
}


def test_numbers_and_offsets_are_those_of_the_headers(tmp_path):
    """What the tests above take for granted, asked of the C compiler."""
    compiler = shutil.which("cc")
    header = Path("/usr/include/linux/bpf.h")
    if compiler is None or not header.exists():
        pytest.skip("needs a C compiler and the user-space kernel headers")
    lines = [f"    NUMBER({name});" for name in NUMBERS]
    lines += [f"    FIELD({', '.join(name.split('.', 1))});" for name in OFFSETS]
    source = tmp_path / "layout.c"
    source.write_text(C_SOURCE % "\n".join(lines))
    program = tmp_path / "layout"
    subprocess.run([compiler, "-o", str(program), str(source)], check=True)
    output = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
    told = {name: int(value) for name, value in re.findall(r"^(\S+) (\d+)$", output, re.M)}
    assert told == {**NUMBERS, **OFFSETS}
