"""Samples of perf: stacks read and folded, separated parts, tables and records."""

from __future__ import annotations

import json
from collections import Counter

import jsonschema
import pytest

from ebpf_overhead.hooks.cases import select
from ebpf_overhead.measure.run_count_check import Hits
from ebpf_overhead.measure.stats import share_margin
from ebpf_overhead.report.schema import schema_of
from ebpf_overhead.tools.profile.loop import _EXTENSION, LoopProfile, SampledLoop, _is_loop
from ebpf_overhead.tools.profile.parts import Part, Target, part_of, program_of, shares
from ebpf_overhead.tools.profile.process import ProcessProfile
from ebpf_overhead.tools.profile.record import ProfileRecord, make_loop_record, make_process_record
from ebpf_overhead.tools.profile.stacks import Frame, fold, inside, parse, unfold
from ebpf_overhead.tools.profile.text import headings, others, program_rows, rows

PROGRAM = "bpf_prog_c435002729bfd63b_complex"
# As perf 6.1 prints it, of a kprobe on 6.12.
SCRIPT = f"""
\tffffffff813a0001 htab_map_hash ([kernel.kallsyms])
\tffffffffc0201234 {PROGRAM} ({PROGRAM})
\tffffffff812b0001 trace_call_bpf+0x7f ([kernel.kallsyms])
\tffffffffc0205000 ftrace_trampoline (ftrace_trampoline)
\tffffffff810b0001 __x64_sys_getpid ([kernel.kallsyms])
\tffffffff81d0d927 do_syscall_64 ([kernel.kallsyms])
\t    7ffff752fad7 loop_getpid (/tree/{_EXTENSION})
\t    7ffff7333333 time_window (/tree/{_EXTENSION})
\t    7ffff7000000 [unknown] ([unknown])

\t    7ffff752fad7 loop_getpid (/tree/{_EXTENSION})

\t    7ffff7111111 main (/usr/bin/python3.11)

"""
LOOP = Frame("loop_getpid", False)
GETPID = Target(frozenset({"__x64_sys_getpid", "__do_sys_getpid"}))


def test_text_of_perf_becomes_stacks_outermost_first():
    stacks = parse(SCRIPT)
    assert stacks.total() == 3
    deep = max(stacks, key=len)
    names = ["[unknown]", "time_window", "loop_getpid", "do_syscall_64"]
    assert [frame.name for frame in deep][:4] == names
    assert [frame.in_kernel for frame in deep] == [False, False, False, *[True] * 6]
    assert deep[-3].name == "trace_call_bpf"  # without the offset


def test_stacks_are_kept_from_the_function_of_the_loop():
    stacks = inside(parse(SCRIPT), _is_loop)
    assert stacks.total() == 2
    assert {stack[0].name for stack in stacks} == {"loop_getpid"}


def test_folding_and_back():
    folded = fold(inside(parse(SCRIPT), _is_loop))
    assert folded["loop_getpid"] == 1
    line = next(line for line in folded if line != "loop_getpid")
    assert line.startswith("loop_getpid;do_syscall_64_[k];__x64_sys_getpid_[k];")
    assert fold(unfold(folded)) == folded


def stack(*kernel: str):
    return (LOOP, *(Frame(name, True) for name in kernel))


ENTRY = ("entry_SYSCALL_64_after_hwframe", "do_syscall_64")


@pytest.mark.parametrize(
    ("names", "part"),
    [
        ((), Part.USER),
        (ENTRY, Part.TARGET),
        ((*ENTRY, "__x64_sys_getpid", "__task_pid_nr_ns"), Part.TARGET),
        # tracepoints
        ((*ENTRY, "syscall_trace_enter"), Part.DISPATCH),
        ((*ENTRY, "syscall_trace_enter", "bpf_trace_run2", "__rcu_read_lock"), Part.DISPATCH),
        ((*ENTRY, "syscall_trace_enter", "perf_syscall_enter", PROGRAM), Part.PROGRAM),
        # kprobes by ftrace, on 6.12
        ((*ENTRY, "__x64_sys_getpid", "ftrace_trampoline"), Part.DISPATCH),
        ((*ENTRY, "__x64_sys_getpid", "ftrace_trampoline", "kprobe_ftrace_handler", "get_kprobe"),
         Part.DISPATCH),
        ((*ENTRY, "__x64_sys_getpid", "ftrace_trampoline", PROGRAM, "htab_map_hash"), Part.HELPERS),
        # fexit: its trampoline calls the function, which is the target nonetheless
        ((*ENTRY, "bpf_trampoline_6442505669", "__bpf_prog_enter_recur"), Part.DISPATCH),
        ((*ENTRY, "bpf_trampoline_6442505669", "__do_sys_getpid", "pid_vnr"), Part.TARGET),
        # one program calls another
        ((*ENTRY, "bpf_trampoline_6442505669", PROGRAM, PROGRAM), Part.PROGRAM),
        # no JIT
        ((*ENTRY, "syscall_trace_enter", "bpf_trace_run2", "___bpf_prog_run"), Part.PROGRAM),
    ],
)  # fmt: skip
def test_part_of_a_system_call(names, part):
    assert part_of(stack(*names), GETPID) is part


def test_all_kernel_code_of_a_user_function_is_dispatch():
    target = Target(in_user_space=True)
    int3 = ("asm_exc_int3", "irqentry_exit_to_user_mode")
    assert part_of(stack(*int3), target) is Part.DISPATCH
    # A call in place of a long nop, which newer kernels make of a uprobe.
    assert part_of(stack(*ENTRY, "x64_sys_call"), target) is Part.DISPATCH
    assert part_of(stack(*int3, "uprobe_notify_resume", PROGRAM), target) is Part.PROGRAM


def test_program_is_the_innermost():
    other = "bpf_prog_0123456789abcdef_other"
    assert program_of(stack(*ENTRY, PROGRAM, other, "htab_map_hash")) == other
    assert program_of(stack(*ENTRY)) is None


def test_shares_add_up():
    stacks = Counter({stack(): 3, stack(*ENTRY): 5, stack(*ENTRY, PROGRAM): 2})
    found = shares(stacks, GETPID)
    assert found[Part.USER] == 0.3
    assert found[Part.PROGRAM] == 0.2
    assert sum(found.values()) == pytest.approx(1)


@pytest.mark.parametrize(("share", "samples"), [(0.5, 1000), (0.02, 400), (0.0, 100)])
def test_margin_is_that_of_wilson(share, samples):
    z = 2.5758293
    expected = z / (1 + z * z / samples)
    expected *= (share * (1 - share) / samples + z * z / (4 * samples**2)) ** 0.5
    assert share_margin(share, samples) == pytest.approx(expected)
    assert share_margin(share, samples) > 0


def loop_profile() -> LoopProfile:
    (case,) = select(["tp_btf"], ["complex"], ["getpid"])
    unprobed = Counter({stack(): 250, stack(*ENTRY): 750})
    probed = Counter({stack(): 100, stack(*ENTRY): 300, stack(*ENTRY, "bpf_trace_run2"): 100})
    probed[stack(*ENTRY, "bpf_trace_run2", PROGRAM)] = 500
    halves = (SampledLoop(100.0, unprobed), SampledLoop(250.0, probed, Hits(1000, 1000, 0)))
    return LoopProfile(case, "sys_enter", GETPID, *halves)


MACHINE = {"kernel": {"release": "6.12"}}


def test_loop_record_and_tables():
    record = json.loads(json.dumps(make_loop_record(loop_profile(), MACHINE, "ns", True)))
    jsonschema.validate(record, schema_of("profile", ProfileRecord))
    assert record["jit_symbols_switched_on"] is True
    assert record["profiles"]["probed"]["hits"] == 1000
    table = {row[0]: row[1:] for row in rows(record)}
    assert headings(record) == ("Part", "unprobed ns", "probed ns", "share of probed")
    assert table["user space"][0].startswith("25.0 ± ")
    assert table["program: its own instructions"][1].startswith("125.0 ± ")
    assert table["program: its own instructions"][2].startswith("50.0 ± ")
    assert table["all"] == ("100.0", "250.0", "1,000 samples")
    assert program_rows(record) == [(PROGRAM, "50.00 %")]


def test_programs_that_also_run_without_the_probe_are_named():
    profile = loop_profile()
    record = make_loop_record(profile, MACHINE, "ns", False)
    assert others(record) is None
    profile.unprobed.stacks[stack(*ENTRY, "bpf_trace_run2", PROGRAM)] = 1
    assert others(make_loop_record(profile, MACHINE, "ns", False)).endswith(PROGRAM)


def test_process_record_and_tables():
    stacks = Counter({stack(*ENTRY): 3, stack(*ENTRY, "bpf_trace_run2", PROGRAM): 1})
    profile = ProcessProfile(7, "server", 2.0, stacks)
    record = json.loads(json.dumps(make_process_record(profile, MACHINE, "ns", False)))
    jsonschema.validate(record, schema_of("profile", ProfileRecord))
    assert headings(record) == ("Part", "share")
    assert dict(rows(record))["target, in the kernel"].startswith("75.0 ± ")
    assert program_rows(record) == [(PROGRAM, "25.00 %")]
