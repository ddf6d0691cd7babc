"""What each command that writes metrics would write."""

from __future__ import annotations

import dataclasses

from estimates import estimate, rate
from impact_rounds import record as impact_record
from impact_rounds import rounds
from pictures import FakeCosts, details, program, seen
from records import record

from ebpf_overhead.report.metrics import of_estimate, of_impact, of_measure, of_top
from ebpf_overhead.tools.estimate.answer import Budget, Share
from ebpf_overhead.tools.estimate.record import make_record
from ebpf_overhead.tools.top.record import make_record as top_record


def estimated(**changes) -> str:
    answer = estimate(
        rate("vfs_read"),
        rate("vfs_write", 5_000.0),
        bystanders=Share(0.01, 0.009, 0.011),
        budget=Budget(0.01, "yes"),
        **changes,
    )
    return of_estimate(make_record(answer, "ns", "6.12"))


def watched() -> str:
    picture = seen(
        [program(1, 0, 0), program(2, 0, 0), program(3, 0, 0, "raw_tracepoint")],
        [
            dataclasses.replace(program(1, 10, 2_000), missed=3),
            program(2, 0, 0, "xdp"),
            program(3, 1000, 90_000, "raw_tracepoint"),
        ],
        {1: details(), 2: details("xdp", "eth0"), 3: details("raw_tracepoint", "sys_enter")},
        FakeCosts("kprobe"),
    )
    return of_top(top_record(picture, "ns", "6.12")).text()


TEXTS = {
    "measure": of_measure(record()),
    "estimate": estimated(),
    "impact": of_impact(impact_record(rounds(lambda at: 1000.0, lambda number: 100.0))),
    "top": watched(),
}
