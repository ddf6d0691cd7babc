"""What the verifier's words are turned into."""

from __future__ import annotations

import errno

import pytest

from ebpf_overhead import rights
from ebpf_overhead.errors import FailedError, RefusedError, UnsupportedError
from ebpf_overhead.verifier import rejection, verdict

# What a kernel writes about a program that reads behind the end of a map's value.
OUT_OF_BOUNDS = """\
0: R1=ctx() R10=fp0
; u64 *cell = cells.lookup(&zero); @ bad.c:5
5: (85) call bpf_map_lookup_elem#1    ; R0=map_value_or_null(id=1,map=cells,ks=4,vs=8)
; return cell ? cell[4096] : 0; @ bad.c:6
7: (79) r0 = *(u64 *)(r1 +32768)
invalid access to map value, value_size=8 off=32768 size=8
R0 min value is outside of the allowed memory range
processed 9 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0

"""


@pytest.fixture(autouse=True)
def with_rights(monkeypatch):
    monkeypatch.setattr(rights, "may_trace", lambda: True)


def error(number: int, log: str, what: str = "tracepoint"):
    return rejection(OSError(number, "bpf"), "bad.c", what, log)


def test_verifiers_words_are_the_reason():
    caught = error(errno.EACCES, OUT_OF_BOUNDS)
    assert isinstance(caught, FailedError)
    assert caught.what == (
        "verifier rejects bad.c: invalid access to map value, value_size=8 off=32768 size=8"
    )
    assert caught.verifier_log == OUT_OF_BOUNDS


@pytest.mark.parametrize(
    "words",
    [
        "program of this type cannot use helper bpf_override_return#58",  # 6.11 on
        "unknown func bpf_override_return#58",
        "invalid func unknown#181",
        "tracing progs cannot use bpf_spin_lock yet",
    ],
)
def test_what_the_kernel_does_not_allow_is_unsupported(words):
    log = f"0: (85) call something\n{words}\nprocessed 1 insns (limit 1000000)\n"
    caught = error(errno.EINVAL, log, "kprobe")
    assert isinstance(caught, UnsupportedError)
    assert caught.what == f"bad.c not allowed for kprobe by the verifier: {words}"
    assert caught.verifier_log == log


@pytest.mark.parametrize("number", [errno.EPERM, errno.EINVAL])
def test_refusal_without_the_verifiers_words_is_the_kernels(number):
    caught = error(number, "", "fentry")
    assert isinstance(caught, UnsupportedError)
    assert caught.what == f"{errno.errorcode[number]} at load: fentry refused"
    assert caught.verifier_log == ""


def test_refusal_for_want_of_rights(monkeypatch):
    monkeypatch.setattr(rights, "may_trace", lambda: False)
    caught = error(errno.EPERM, "")
    assert isinstance(caught, RefusedError)
    assert "CAP_BPF and CAP_PERFMON missing" in caught.what


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("0: (b7) r0 = 0\nR0 !read_ok\nprocessed 1 insns\n", "R0 !read_ok"),
        ("last insn is not an exit or jmp\nprocessed 0 insns\n", "last insn is not an exit or jmp"),
        ("0: (b7) r0 = 0\nprocessed 1 insns\n", "processed 1 insns"),
        ("", "no reason given"),
    ],
)
def test_verdict(log, words):
    assert verdict(log) == words
