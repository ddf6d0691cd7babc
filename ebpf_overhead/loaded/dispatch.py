"""The way to a program, which the kernel's run statistics leave out: measured here.

``run_time_ns`` begins when the program begins.  An empty program tells the rest: what it
really adds to a call, less what the statistics say of its run.  That is the same for every
program at that kind of hook (docs/bpf-stats.md), so

    cost of a run = what the statistics report + what they leave out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ebpf_overhead.cases import ATTACH_TYPES, select
from ebpf_overhead.errors import OverheadError
from ebpf_overhead.loaded.attachments import Attachment
from ebpf_overhead.loaded.left_out import (
    measure_left_out,
    measure_slow_path,
    measure_statistics,
)
from ebpf_overhead.stats import Interval
from ebpf_overhead.stored import Store

_ALWAYS_ON = Path("/proc/sys/kernel/bpf_stats_enabled")
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
        measuring = self._measuring and not statistics_always_on()
        for kind in sorted(kinds):
            found = self._store.find(f"dispatch/{kind}")
            if found is not None:
                date = time.strftime("%Y-%m-%d", time.localtime(found.measured_at))
                self._known[kind] = Dispatch(found.interval, f"stored {date}")
            elif measuring:
                self._known[kind] = self._measure(kind)
            else:
                self._known[kind] = Dispatch(None, reason=self._why_not())
        self.statistics = self._once(
            _STATISTICS, "what the kernel's statistics cost", measure_statistics, measuring
        )
        self.slow_path = self._once(
            _SLOW_PATH,
            "the slow path of system calls that are traced",
            measure_slow_path,
            measuring and not traced,
        )

    def _why_not(self) -> str:
        if self._measuring:
            return f"not measured while {_ALWAYS_ON} is 1, which makes every run dearer"
        return "not measured on this kernel"

    def _measure(self, kind: str) -> Dispatch:
        self._say(f"Measuring what run_time_ns leaves out of {kind} here")
        try:
            left_out = measure_left_out(select([kind], ["empty"])[0])
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


def statistics_always_on() -> bool:
    """Whether the statistics are on for good, so that nothing can be measured without them."""
    try:
        return _ALWAYS_ON.read_text().strip() == "1"
    except OSError:
        return False
