"""Errors made from the words of the verifier."""

from __future__ import annotations

import errno

import pytest

from ebpf_overhead.bpf import privileges
from ebpf_overhead.bpf.verifier import rejection, statistics, verdict
from ebpf_overhead.errors import FailedError, RefusedError, UnsupportedError

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
def with_privileges(monkeypatch):
    monkeypatch.setattr(privileges, "what_is_missing", lambda: "")


def error(number: int, log: str, what: str = "tracepoint"):
    return rejection(OSError(number, "bpf"), "bad.c", what, log)


def test_words_of_the_verifier_are_the_reason():
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
def test_operation_that_the_kernel_does_not_allow_is_unsupported(words):
    log = f"0: (85) call something\n{words}\nprocessed 1 insns (limit 1000000)\n"
    caught = error(errno.EINVAL, log, "kprobe")
    assert isinstance(caught, UnsupportedError)
    assert caught.what == f"bad.c not allowed for kprobe by the verifier: {words}"
    assert caught.verifier_log == log


@pytest.mark.parametrize("number", [errno.EPERM, errno.EINVAL])
def test_refusal_without_a_log_is_explained_by_its_number(number):
    caught = error(number, "", "fentry")
    assert isinstance(caught, UnsupportedError)
    assert caught.what == f"{errno.errorcode[number]} at load: fentry refused"
    assert caught.verifier_log == ""


def test_refusal_for_missing_privileges(monkeypatch):
    monkeypatch.setattr(privileges, "what_is_missing", lambda: "CAP_PERFMON missing")
    caught = error(errno.EPERM, "")
    assert isinstance(caught, RefusedError)
    assert "CAP_PERFMON missing" in caught.what


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


STATISTICS = "processed 0 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0"


def test_kind_of_hook_that_the_kernel_does_not_know_is_unsupported():
    """A kernel before 7.0 asked for fsession: no instruction was looked at, nothing is said."""
    caught = error(errno.EINVAL, STATISTICS, "fsession")
    assert isinstance(caught, UnsupportedError)
    assert caught.what == "EINVAL at load: fsession refused"


def test_program_that_is_wrong_before_its_first_instruction_is_wrong():
    caught = error(errno.EINVAL, f"unreachable insn 5\n{STATISTICS}", "fentry")
    assert isinstance(caught, FailedError)
    assert "verifier rejects bad.c: unreachable insn 5" in caught.what


def test_sums_of_the_verifier():
    log = (
        "verification time 25 usec\nstack depth 56+0+16\nprocessed 50 insns (limit 1000000)"
        " max_states_per_insn 1 total_states 4 peak_states 3 mark_read 2\n"
    )
    assert statistics(log) == ([56, 0, 16], 50, 4, 3)
    newer = (
        "verification time 990 usec\nstack depth max 48\n"
        "subprog 0 (program) main insns_self 38 insns_total 50 stack 24\n"
        "subprog 1 (<unknown>) static insns_self 12 insns_total 12 stack 0\n"
        "processed 50 insns (limit 1000000) max_states_per_insn 0 total_states 3 peak_states 3"
        " mark_read 0\n"
    )
    assert statistics(newer) == ([24, 0], 50, 3, 3)
    assert statistics("") == ([], None, None, None)
