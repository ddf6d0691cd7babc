"""Readings of the counters of loaded programs, made up."""

from __future__ import annotations

from ebpf_overhead.bpf.objects import KernelProgram
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.tools.top.attachments import Attachment
from ebpf_overhead.tools.top.dispatch import Dispatch
from ebpf_overhead.tools.top.holders import Holder
from ebpf_overhead.tools.top.inventory import ProgramDetails
from ebpf_overhead.tools.top.usage import Picture, Reading, picture


class FakeCosts:
    """What the statistics leave out, without measuring it."""

    statistics: Interval | None = Interval(70.0, 65.0, 75.0, 0.99)
    slow_path: Interval | None = Interval(30.0, 25.0, 35.0, 0.99)

    def __init__(self, *kinds: str) -> None:
        self.kinds = set(kinds)
        self.learned: list[set[str]] = []

    def of(self, kind: str | None) -> Dispatch:
        if kind in self.kinds:
            return Dispatch(Interval(100.0, 90.0, 120.0, 0.99), "stored 2026-11-25")
        return Dispatch(None, reason="not measured on this kernel")

    def unknown(self, kinds) -> set[str]:
        return {kind for kind in kinds if kind is not None} - self.kinds

    def learn(self, kinds, hooks=()) -> None:
        self.learned.append(set(kinds))
        self.kinds |= set(kinds)


def program(number: int, runs: int, time_ns: int, kind="kprobe", maps=()) -> KernelProgram:
    return KernelProgram(number, kind, f"p{number}", "0123456789abcdef", maps, runs, time_ns)


def details(attach="kprobe", target="vfs_read", maps=None) -> ProgramDetails:
    return ProgramDetails((Attachment(attach, target),), (Holder(100, "tool"),), maps or {})


def seen(
    before: list[KernelProgram],
    after: list[KernelProgram],
    known: dict[int, ProgramDetails],
    costs: FakeCosts,
) -> Picture:
    return picture(
        Reading(10.0, 1.0, {each.number: each for each in before}),
        Reading(12.0, 1.01, {each.number: each for each in after}),
        known,
        costs,
        4,
    )
