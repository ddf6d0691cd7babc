"""Rounds of a tool that is switched on and off, made up."""

from __future__ import annotations

from collections.abc import Callable

from pictures import program

from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.measure.noise import Noise
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.report.record import Record
from ebpf_overhead.tools.impact.counting import ProgramRuns, Ran
from ebpf_overhead.tools.impact.record import make_record
from ebpf_overhead.tools.impact.rounds import ImpactQuestion, Life, Round
from ebpf_overhead.tools.impact.segments import Segment, WorkloadTurns
from ebpf_overhead.tools.impact.starting import ToolLaunch
from ebpf_overhead.tools.top.attachments import Attachment
from ebpf_overhead.tools.top.inventory import ProgramDetails

LIFE = Life(
    programs=1,
    ready_s=0.61,
    gone_s=0.2,
    cpu_share=0.012,
    cpu_s=0.08,
    resident_bytes=98 << 20,
    missed=0,
    ended=False,
    changed=False,
)
HOOK = Attachment("tracepoint", "sys_enter_openat")
RUNS = [
    ProgramRuns(
        program(7, 100, 40_000, "tracepoint"),
        ProgramDetails((HOOK,), (), {3: 1 << 20}),
        [Ran("openat_close", Interval(1.0, 1.0, 1.0, 0.99), 400.0)],
    )
]


def rounds(
    call_ns: Callable[[float], float],
    added_ns: Callable[[int], float],
    count: int = 12,
    name: str = "openat_close",
    life: Life = LIFE,
) -> list[Round]:
    """Rounds of ten seconds: what a call takes by the time, and what a tool adds by the round."""

    def one(number: int) -> Round:
        def at(seconds: float, added: float = 0.0) -> Segment:
            at_s = 10.0 * number + seconds
            return Segment(at_s, {name: call_ns(at_s) + added})

        added = added_ns(number)
        runs = RUNS if number == 0 and life.programs else None
        return Round(at(1), (at(4, added), at(5, added)), at(7), life, runs)

    return list(map(one, range(count)))


class FakeTurns(WorkloadTurns):
    """Workloads that need not be called."""

    def __init__(self, *names: str, unsupported: str | None = None) -> None:
        self.cpu = 1
        self.calls = dict.fromkeys(names, 100)
        self.unsupported = {}
        if unsupported:
            self.unsupported[unsupported] = UnsupportedError("it cannot be called", "ask for it")


def record(found: list[Round], budget: float | None = None, unsupported: str = "") -> Record:
    """The record of rounds."""
    (name,) = found[0].before.per_call
    question = ImpactQuestion(
        ToolLaunch(("tool.bt", "an argument")), FakeTurns(name, unsupported=unsupported)
    )
    return make_record(
        question, [(each,) for each in found], Noise(1, 30.0), "6.18.44", "ns", budget
    )
