"""Attributes of bpf(2) and perf_event_open(2), byte by byte, without calling either."""

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

from ebpf_overhead import bpf

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


class FakeKernel:
    """Takes the place of the compiled module: keeps what was asked, answers as told."""

    def __init__(self, *answers: int | OSError) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[int, bytes]] = []
        self.perf_calls: list[tuple[object, ...]] = []
        self.fill = lambda attribute: None  # sees the attribute while pointers are valid

    def address(self, buffer: bytes) -> int:
        holder = ctypes.c_char * len(buffer)
        if isinstance(buffer, bytearray):
            return ctypes.addressof(holder.from_buffer(buffer))
        return ctypes.cast(ctypes.c_char_p(buffer), ctypes.c_void_p).value or 0

    def answer(self) -> int:
        answer = self.answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    def bpf(self, command: int, attribute: bytearray) -> int:
        self.calls.append((command, bytes(attribute)))
        self.fill(attribute)
        return self.answer()

    def perf_event_open(self, *arguments: object) -> int:
        self.perf_calls.append(arguments)
        self.fill(arguments[0])
        return self.answer()


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


@pytest.mark.parametrize("end", [True, False])
def test_map_keys_are_fetched_in_one_call(monkeypatch, end):
    """The kernel says ENOENT when it reached the end of the map, and has filled all the same."""
    kernel = FakeKernel(FileNotFoundError(errno.ENOENT, "bpf") if end else 0)
    monkeypatch.setattr(bpf, "_syscalls", kernel)

    def fill(attribute: bytearray) -> None:
        begin, _, keys, values, count, map_fd, elem_flags, flags = struct.unpack_from(
            "=QQQQIIQQ", attribute
        )
        assert (begin, count, map_fd, elem_flags, flags) == (0, 5, 9, 0, 0)
        ctypes.memmove(keys, b"onetwo", 6)
        ctypes.memset(values, 0xFF, 8 * 5)
        struct.pack_into("=I", attribute, 32, 2)

    kernel.fill = fill
    assert bpf.map_keys(9, key_bytes=3, value_bytes=8, max_entries=5) == b"onetwo"
    assert kernel.calls[0][0] == 24


def test_map_that_cannot_be_read(monkeypatch):
    monkeypatch.setattr(bpf, "_syscalls", FakeKernel(OSError(errno.EFAULT, "bpf")))
    with pytest.raises(OSError, match="BPF_MAP_LOOKUP_BATCH"):
        bpf.map_keys(9, 4, 8, 5)


def test_map_delete_names_every_key(kernel):
    keys = bytearray(b"onetwo")
    texts = text_behind(kernel, offset=16)
    bpf.map_delete(9, keys, key_bytes=3)
    ((command, attribute),) = kernel.calls
    assert command == 27
    assert texts[0].startswith(b"onetwo")
    assert struct.unpack_from("=II", attribute, 32) == (2, 9)


def test_nothing_to_delete_is_no_call(kernel):
    bpf.map_delete(9, bytearray(), key_bytes=3)
    assert kernel.calls == []


def test_failed_call_names_its_command(monkeypatch):
    monkeypatch.setattr(bpf, "_syscalls", FakeKernel(OSError(errno.EPERM, "bpf: no")))
    with pytest.raises(PermissionError, match=r"bpf\(BPF_ENABLE_STATS\)"):
        bpf.enable_stats()


def test_perf_tracepoint(kernel):
    assert bpf.perf_tracepoint(321) == 42
    ((attribute, pid, cpu, group, flags),) = kernel.perf_calls
    assert struct.unpack_from("=IIQQ", attribute) == (2, 112, 321, 1)
    assert len(attribute) == 112
    assert not any(attribute[24:])
    assert (pid, cpu, group, flags) == (-1, 0, -1, 8)


def test_perf_kprobe_names_the_symbol(kernel):
    names = text_behind(kernel, offset=56)
    bpf.perf_kprobe(6, "__do_sys_getpid", 4)
    ((attribute, *_),) = kernel.perf_calls
    assert struct.unpack_from("=IIQQ", attribute) == (6, 112, 0, 1)
    assert names == [b"__do_sys_getpid"]
    assert struct.unpack_from("=Q", attribute, 64) == (4,)


def test_perf_attach_names_the_call_that_failed():
    with open(os.devnull) as not_an_event, pytest.raises(OSError, match="PERF_EVENT_IOC_SET_BPF"):
        bpf.perf_attach(not_an_event.fileno(), 0)


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
    typedef struct perf_event_attr perf;
%s
    return 0;
}
"""
NUMBERS = {
    **{f"BPF_{each.name}": int(each) for each in bpf.Command},
    **{f"BPF_PROG_TYPE_{each.name}": int(each) for each in bpf.ProgType},
    "BPF_TRACE_RAW_TP": bpf.TraceAttachType.RAW_TP,
    "BPF_TRACE_FENTRY": bpf.TraceAttachType.FENTRY,
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
    "info.id": 4,
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
