"""The cost of programs between two readings, and how it is shown."""

from __future__ import annotations

import dataclasses
import io
import json

import jsonschema
import pytest
from pictures import FakeCosts, details, program, seen

from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.report.console import PlainConsole
from ebpf_overhead.tools.records import schema
from ebpf_overhead.tools.top.attachments import Attachment
from ebpf_overhead.tools.top.callers import HookCaller
from ebpf_overhead.tools.top.dispatch import Dispatch, priced_as
from ebpf_overhead.tools.top.inventory import ProgramDetails
from ebpf_overhead.tools.top.record import make_record
from ebpf_overhead.tools.top.system_calls import on_system_calls, runs_for_all, traced_per_s
from ebpf_overhead.tools.top.text import Room, render
from ebpf_overhead.workload import _workload


@pytest.mark.parametrize(
    ("attachment", "kind"),
    [
        (Attachment("tracepoint", "sys_enter_read"), "tracepoint"),
        (Attachment("tracepoint", "sys_exit_read"), "tracepoint_exit"),
        (Attachment("tracepoint", "sched_switch"), "raw_syscalls"),
        (Attachment("raw_tracepoint", "sched_switch"), "raw_tracepoint"),
        (Attachment("kprobe", "vfs_read"), "kprobe"),
        (Attachment("kprobe", "vfs_read+0x10"), "kprobe_offset"),
        (Attachment("xdp", "eth0"), None),
    ],
)
def test_dispatch_is_that_of_the_similar_attach_type(attachment, kind):
    assert priced_as(attachment) == kind


@pytest.mark.parametrize(
    ("workload", "kind"),
    [
        ("function", "uprobe"),
        ("function_push", "uprobe on function_push"),
        ("function_test", "uprobe on function_ret"),
    ],
)
def test_dispatch_of_a_uprobe_is_that_of_its_first_instruction(workload, kind):
    if "function_test" not in _workload.WORKLOADS:
        pytest.skip("the functions of these names are x86_64's")
    path, _, offset = _workload.workload_symbol(workload)
    for text in (f"{path}+{offset:#x}", f"{path}+{offset:#x} and 3 more"):
        assert priced_as(Attachment("uprobe", text)) == kind


def test_dispatch_of_a_uprobe_in_a_file_that_cannot_be_read_is_unknown():
    assert priced_as(Attachment("uprobe", "/no/such/file+0x10")) is None


def test_hooks_that_trace_system_calls():
    assert on_system_calls(Attachment("tp_btf", "sys_exit"))
    assert on_system_calls(Attachment("tracepoint", "sys_enter_read"))
    assert not on_system_calls(Attachment("tp_btf", "sched_switch"))
    assert not on_system_calls(Attachment("kprobe", "sys_enter_read"))
    assert runs_for_all(Attachment("tracepoint", "sys_enter"))
    assert not runs_for_all(Attachment("tracepoint", "sys_enter_read"))


def test_difference_has_the_bounds_of_both():
    first, second = Interval(10, 9, 12, 0.99), Interval(3, 1, 4, 0.99)
    assert first - second == Interval(7, 5, 11, 0.99)


def test_reported_time_and_dispatch_add_up():
    picture = seen(
        [program(1, 1_000, 50_000)],
        [program(1, 21_000, 4_050_000)],
        {1: details()},
        FakeCosts("kprobe"),
    )
    (usage,) = picture.usages
    assert usage.runs_per_s == 10_000
    assert usage.run_time_ns == pytest.approx(200)
    assert usage.total.estimate == pytest.approx(10_000 * (200 + 100) / 1e9)
    assert (usage.total.low, usage.total.high) == pytest.approx((0.0029, 0.0032))
    assert picture.own_share == pytest.approx(0.005)
    assert picture.statistics_share.estimate == pytest.approx(10_000 * 70 / 1e9)


def test_most_expensive_first_and_programs_that_come_and_go():
    picture = seen(
        [program(1, 0, 0), program(2, 0, 0)],
        [program(1, 100, 100), program(3, 400, 400)],
        {1: details(), 3: details()},
        FakeCosts("kprobe"),
    )
    assert [usage.program.number for usage in picture.usages] == [3, 1]
    assert picture.usages[0].runs_per_s == 200  # loaded in between: all its runs were
    assert picture.gone == 1


def test_unknown_dispatch_is_reported_and_not_guessed():
    known = {1: details("xdp", "eth0"), 2: ProgramDetails(), 3: details("xdp", "eth1")}
    picture = seen(
        [program(1, 0, 0), program(2, 0, 0, "sched_cls"), program(3, 0, 0)],
        [program(1, 10, 2_000), program(2, 10, 2_000, "sched_cls"), program(3, 0, 0)],
        known,
        FakeCosts("kprobe"),
    )
    assert picture.unpriced == {
        "not measured on this kernel": ["xdp"],
        "the kernel does not say what it is attached to": ["(sched_cls)"],
    }
    assert picture.total.estimate == pytest.approx(2 * 2_000 / 2 / 1e9)


def test_hooks_of_two_attach_types_cost_something_in_between():
    both = ProgramDetails((Attachment("kprobe", "a"), Attachment("kretprobe", "a")))

    class Costs(FakeCosts):
        def of(self, kind):
            value = {"kprobe": 40.0, "kretprobe": 60.0}[kind]
            return Dispatch(Interval(value, value - 1, value + 1, 0.99), "stored 2026-11-25")

    (usage,) = seen([program(1, 0, 0)], [program(1, 5, 5)], {1: both}, Costs()).usages
    left_out = usage.dispatch.left_out
    assert (left_out.low, left_out.estimate, left_out.high) == (39, 50, 61)


def test_hooks_of_which_one_has_no_known_dispatch():
    both = ProgramDetails((Attachment("kprobe", "a"), Attachment("xdp", "eth0")))
    picture = seen([program(1, 0, 0)], [program(1, 5, 5)], {1: both}, FakeCosts("kprobe"))
    assert picture.usages[0].dispatch_share is None


@pytest.mark.parametrize(
    ("running", "calls_per_s"),
    [
        ([], None),
        ([(5.0, ["vfs_read"])], None),
        ([(5.0, ["sys_enter_read"]), (6.0, ["sys_exit_read"]), (2.0, ["sys_enter_write"])], 8.0),
        ([(10.0, ["sys_enter_read", "sys_exit_read"])], 5.0),
        ([(10.0, ["sys_enter_read", "sys_exit_write"]), (7.0, ["sys_enter_read"])], 7.0),
        ([(10.0, ["sys_enter", "sys_exit"]), (9.0, ["sys_enter_read"])], 5.0),
        ([(10.0, ["sys_enter_read", "sched_switch"])], 0.0),
    ],
)
def test_system_calls_that_are_traced_at_least(running, calls_per_s):
    hooks = (
        (runs, [Attachment("tracepoint", each) for each in each_of]) for runs, each_of in running
    )
    assert traced_per_s(hooks) == calls_per_s


def test_slow_path_is_paid_once_with_many_hooks():
    known = {1: details("tp_btf", "sys_enter"), 2: details("raw_tracepoint", "sys_exit")}
    costs = FakeCosts("tp_btf", "raw_tracepoint")
    after = [program(1, 2_000, 0), program(2, 2_002, 0)]
    picture = seen([program(1, 0, 0), program(2, 0, 0)], after, known, costs)
    assert picture.syscalls_per_s == 1_001
    assert picture.slow_path_share.estimate == pytest.approx(1_001 * 30 / 1e9)
    assert picture.total.estimate == pytest.approx((2_001 * 100 + 1_001 * 30) / 1e9)


def test_map_that_two_programs_share_counts_once():
    known = {1: details(maps={5: 1_000, 6: 24}), 2: details(maps={5: 1_000})}
    picture = seen([], [program(1, 0, 0), program(2, 0, 0)], known, FakeCosts("kprobe"))
    assert [usage.map_bytes for usage in picture.usages] == [1_024, 1_000]
    assert picture.map_bytes == 1_024


def printed(picture, columns=160, rows=10) -> str:
    stream = io.StringIO()
    console = PlainConsole(file=stream, width=columns)
    console.print(render(picture, "ns", Room(columns, rows)))
    return stream.getvalue()


def one_program(costs=None):
    after = [program(1, 20_000, 4_000_000)]
    known = {1: details(maps={5: 2048})}
    return seen([program(1, 0, 0)], after, known, costs or FakeCosts("kprobe"))


def test_text():
    text = printed(one_program())
    assert "1 program, 10,000 runs/s over 2.0 s: 0.3000 % (0.2900 … 0.3200 %) of one core" in text
    assert "0.0750 % (0.0725 … 0.0800 %) of 4 CPUs; maps 2.0 KiB" in text
    for word in ("0123456789abcdef", "vfs_read", "tool 100", "10,000", "200.0", "+100.0"):
        assert word in text
    assert "watching took 0.5000 % of one core, and the kernel's statistics 0.0700 %" in text


@pytest.mark.parametrize("columns", [50, 60, 80, 100, 150])
def test_no_figure_is_ever_cut(columns):
    after = [program(123_456, 987_654_321 * 2, 987_654_321 * 2 * 12_345)]
    known = {123_456: details(maps={5: 2048})}
    text = printed(seen([program(123_456, 0, 0)], after, known, FakeCosts("kprobe")), columns)
    table = [
        line for line in text.splitlines() if "987,654,321" in line and "runs/s over" not in line
    ]
    (row,) = table
    assert len(row) <= columns
    for figure in ("987,654,321", "12,345.0", "+100.0"):
        assert figure in row.split()
    assert row.split()[row.split().index("+100.0") + 2] == "%"


def test_skipped_runs_are_said():
    picture = one_program()
    assert "skipped" not in printed(picture)
    skipping = dataclasses.replace(picture.usages[0].program, missed=1_234)
    usage = dataclasses.replace(picture.usages[0], program=skipping)
    text = printed(dataclasses.replace(picture, usages=[usage]))
    assert "missed: runs skipped since loading, as a program ran on that CPU already" in text
    heading, _, row = text.splitlines()[1:4]
    assert "missed" in heading
    assert "1,234" in row.split()


def test_callers_are_said():
    picture = one_program()
    callers = [HookCaller(7, "nginx", "/web", 0.9), HookCaller(8, "\x1b[2J", "/", 0.1)]
    number = picture.usages[0].program.number
    told = dataclasses.replace(picture, callers={number: callers}, callers_not_counted=["none: no"])
    text = printed(told)
    assert "who ran p1 1: nginx 7 in /web 90 %, \\x1b[2J 8 10 %" in text
    assert "none: no" in text
    (row,) = make_record(told, "ns", "6.12")["programs"]
    assert row["callers"][0] == {"pid": 7, "comm": "nginx", "cgroup": "/web", "share": 0.9}


def test_names_are_text():
    picture = one_program()
    named = dataclasses.replace(picture.usages[0].program, name="[red]\x1b[2J")
    usage = dataclasses.replace(picture.usages[0], program=named)
    text = printed(dataclasses.replace(picture, usages=[usage]))
    assert "[red]\\x1b[2J" in text


def test_narrow_terminal_keeps_the_figures():
    text = printed(one_program(), columns=80)
    assert "0123456789abcdef" not in text
    assert all(len(line) <= 80 for line in text.splitlines())
    for word in ("p1", "kprobe", "10,000", "0.3000 %"):
        assert word in text


def test_rows_that_do_not_fit_are_summed():
    known = {number: details() for number in (1, 2, 3)}
    after = [program(number, 10 * number, 0) for number in (1, 2, 3)]
    text = printed(seen([], after, known, FakeCosts("kprobe")), rows=1)
    assert "2 more programs: " in text
    assert " p3 " in text
    assert " p2 " not in text


def test_no_programs():
    assert printed(seen([], [], {}, FakeCosts())).startswith("no BPF program is loaded\n")


def test_slow_path_that_cannot_be_measured_is_reported():
    costs = FakeCosts("tp_btf")
    costs.slow_path = None
    known = {1: details("tp_btf", "sys_enter")}
    text = printed(seen([], [program(1, 20, 0)], known, costs), columns=300)
    assert "all of them (10/s at least) pay for a slow path, which is not in the sum" in text


def test_record():
    record = json.loads(json.dumps(make_record(one_program(), "ns", "6.12")))
    jsonschema.validate(record, schema("top"))
    (found,) = record["programs"]
    assert found["hooks"] == [{"attach": "kprobe", "target": "vfs_read"}]
    assert found["processes"] == [{"pid": 100, "comm": "tool"}]
    assert found["core_share"]["estimate"] == pytest.approx(0.003)
    assert record["machine_share"]["high"] == pytest.approx(0.0032 / 4)
    assert record["map_bytes"] == 2048
    assert record["own"]["core_share"] == pytest.approx(0.005)
