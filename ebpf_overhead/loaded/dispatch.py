"""The way to a program, which the kernel's run statistics leave out: measured here.

``run_time_ns`` begins when the program begins.  An empty program tells the rest: what it
really adds to a call, less what the statistics say of its run.  That is the same for every
program at that kind of hook (docs/bpf-stats.md), so

    cost of a run = what the statistics report + what they leave out.

Programs on tracepoints are measured beside one that is attached already, so that the slow
path of system calls, which the first one switches on for all of them, is not part of it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ebpf_overhead import bpf
from ebpf_overhead.attach import load
from ebpf_overhead.cases import ATTACH_TYPES, Case, select
from ebpf_overhead.errors import OverheadError
from ebpf_overhead.loaded.attachments import Attachment
from ebpf_overhead.measure import Measurement, Options, measure_cases
from ebpf_overhead.paired import paired_difference
from ebpf_overhead.stats import Interval, interval
from ebpf_overhead.stored import Store

_TIME_S = 1.5
_STATISTICS, _SLOW_PATH = "statistics/run", "slow path/system call"


@dataclass(frozen=True)
class Dispatch:
    """What the statistics leave out of a run at a kind of hook, or why that is not known.

    Attributes
    ----------
    left_out : Interval or None
        ns (or instructions) a run.
    origin : str
        ``measured now`` or ``stored DATE``.
    reason : str or None
        Why it is not known.
    """

    left_out: Interval | None
    origin: str = ""
    reason: str | None = None


def priced_as(attachment: Attachment) -> str | None:
    """Return the attach type whose dispatch is that of a hook; None where none is measured."""
    attach, target = attachment.attach, attachment.target
    if attach == "tracepoint":
        if target.startswith("sys_exit_"):
            return "tracepoint_exit"
        # perf handles a system call's event in another way than any other's.
        return attach if target.startswith("sys_enter_") else "raw_syscalls"
    if attach == "kprobe" and "+0x" in target:
        return "kprobe_offset"
    return attach if attach in ATTACH_TYPES else None


def on_system_calls(attachment: Attachment) -> bool:
    """Whether a hook makes all system calls take the slow path."""
    return ATTACH_TYPES.get(attachment.attach, _OTHER).group == "tracepoints" and (
        attachment.target.startswith(("sys_enter", "sys_exit"))
    )


def runs_for_all(attachment: Attachment) -> bool:
    """Whether a hook's program runs once for every system call."""
    return on_system_calls(attachment) and attachment.target in ("sys_enter", "sys_exit")


_OTHER = next(each for each in ATTACH_TYPES.values() if each.group != "tracepoints")


class DispatchCosts:
    """What the statistics leave out on this kernel.

    Parameters
    ----------
    store : Store
        What was measured before; gets what is measured now.
    say : callable, optional
        Told in a line what is being measured.
    measuring : bool
        Whether to measure what is not stored.

    Attributes
    ----------
    statistics : Interval or None
        What the kernel's statistics add to a run; None while that is not known.
    slow_path : Interval or None
        What every system call pays once one is traced; None while that is not known.
    """

    def __init__(
        self,
        store: Store,
        say: Callable[[str], None] = lambda line: None,
        measuring: bool = True,
    ) -> None:
        self._store = store
        self._say = say
        self._measuring = measuring
        self._known: dict[str, Dispatch] = {}
        self.statistics: Interval | None = None
        self.slow_path: Interval | None = None

    def of(self, kind: str | None) -> Dispatch:
        """Return what is known of a kind of hook."""
        if kind is None:
            return Dispatch(None, reason="no measured attach type is like it")
        return self._known.get(kind, Dispatch(None, reason="not measured yet"))

    def unknown(self, kinds: Iterable[str | None]) -> set[str]:
        """Return those of some kinds that :meth:`learn` was not told of yet."""
        return {kind for kind in kinds if kind is not None} - self._known.keys()

    def learn(self, kinds: Iterable[str], traced: bool) -> None:
        """Look up, or measure, some kinds of hooks; statistics must be off.

        Parameters
        ----------
        kinds : iterable of str
            As :func:`priced_as` names them.
        traced : bool
            Whether system calls are traced already: then their slow path cannot be measured.
        """
        for kind in sorted(kinds):
            found = self._store.find(f"dispatch/{kind}")
            if found is not None:
                date = time.strftime("%Y-%m-%d", time.localtime(found.measured_at))
                self._known[kind] = Dispatch(found.interval, f"stored {date}")
            elif not self._measuring:
                self._known[kind] = Dispatch(None, reason="not measured on this kernel")
            else:
                self._known[kind] = self._measure(kind)
        self.statistics = self._once(
            _STATISTICS, "what the kernel's statistics cost", _measure_statistics, self._measuring
        )
        self.slow_path = self._once(
            _SLOW_PATH,
            "the slow path of system calls that are traced",
            _measure_slow_path,
            self._measuring and not traced,
        )

    def _measure(self, kind: str) -> Dispatch:
        self._say(f"Measuring what run_time_ns leaves out of {kind} here")
        try:
            left_out = _measure_left_out(select([kind], ["empty"])[0])
        except OverheadError as error:
            return Dispatch(None, reason=str(error))
        self._store.put({f"dispatch/{kind}": left_out})
        return Dispatch(left_out, "measured now")

    def _once(
        self, key: str, what: str, measure: Callable[[], Interval], measuring: bool
    ) -> Interval | None:
        found = self._store.get(key)
        if found is not None or not measuring:
            return found
        self._say(f"Measuring {what}")
        try:
            found = measure()
        except OverheadError:
            return None
        self._store.put({key: found})
        return found


def _measure_statistics() -> Interval:
    """Return what the statistics add to a run, by a function that nobody else has hooked."""
    case = select(["uprobe"], ["empty"])[0]
    held: list[int] = []

    def switch(on: bool) -> None:
        if on:
            held.append(bpf.enable_stats())
        else:
            os.close(held.pop())

    with load(case) as probe:
        probe.attach()
        return paired_difference(case.target.name, switch, _TIME_S)


def _measure_slow_path() -> Interval:
    """Return what a system call pays for being traced, whatever the program."""
    (case,) = select(["raw_tracepoint"], ["empty"])
    first = _measured(case, Options(time_s=_TIME_S)).overhead
    with _traced_system_calls():
        second = _measured(case, Options(time_s=_TIME_S)).overhead
    return difference(first, second)


def _measure_left_out(case: Case) -> Interval:
    """Return what the statistics leave out of a run."""
    with _beside(case):
        whole = _measured(case, Options(time_s=_TIME_S)).overhead
        reported = _reported(case)
    return difference(_a_run(whole, case.runs_per_call), reported)


def _reported(case: Case) -> Interval:
    """Return what the statistics say of a run, from many short times as the whole is."""
    values: list[float] = []
    with load(case) as probe:
        before = bpf.prog_info(probe.prog_fd)

        def look() -> None:
            nonlocal before
            now = bpf.prog_info(probe.prog_fd)
            # Loaded anew, it begins at zero.
            last = before if before.prog_id == now.prog_id else bpf.ProgInfo(now.prog_id, 0, 0)
            if now.run_count > last.run_count:
                time_ns = now.run_time_ns - last.run_time_ns
                values.append(time_ns / (now.run_count - last.run_count))
            before = now

        def switch(on: bool) -> None:
            return probe.attach() if on else probe.detach()

        statistics = bpf.enable_stats()
        try:
            paired_difference(case.target.name, switch, _TIME_S, after_probed=look)
        finally:
            os.close(statistics)
    if not values:
        raise OverheadError("the kernel's statistics counted no run")
    return interval(values)


def _measured(case: Case, options: Options) -> Measurement:
    (result,) = measure_cases([case], options)
    if result.measurement is None:
        raise OverheadError(result.reason or result.status, result.remedy or "")
    return result.measurement


@contextmanager
def _beside(case: Case) -> Iterator[None]:
    if case.attach.group != "tracepoints":
        yield
        return
    with _traced_system_calls():
        yield


@contextmanager
def _traced_system_calls() -> Iterator[None]:
    """Have system calls take the slow path, at the other end than is measured."""
    (case,) = select(["raw_tracepoint_exit"], ["empty"])
    with load(case) as probe:
        probe.attach()
        yield


def _a_run(overhead: Interval, runs: int) -> Interval:
    values = (overhead.estimate / runs, overhead.low / runs, overhead.high / runs)
    return Interval(*values, overhead.confidence)


def difference(first: Interval, second: Interval) -> Interval:
    """Return one interval less another, with the bounds that both allow together."""
    return Interval(
        first.estimate - second.estimate,
        first.low - second.high,
        first.high - second.low,
        first.confidence,
    )
