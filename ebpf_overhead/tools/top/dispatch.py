"""Dispatch: the cost of reaching a program, which the kernel's run statistics leave out.

``run_time_ns`` begins when the program begins.  An empty program gives the rest: the overhead
that it really adds to a call, minus the time that the statistics report.  That difference is the
same for every program of that attach type (docs/bpf-stats.md).  So

    cost per run = reported time + dispatch.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from ebpf_overhead.errors import OverheadError
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.hooks.attach_type import USER
from ebpf_overhead.hooks.attach_types import like
from ebpf_overhead.hooks.cases import select
from ebpf_overhead.hooks.first_instruction import NOP, NOP5, first_instruction
from ebpf_overhead.measure import machine_lock
from ebpf_overhead.measure.cost_cache import Store
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.tools.top.attachments import Attachment
from ebpf_overhead.tools.top.free_place import free_place
from ebpf_overhead.tools.top.left_out import measure_left_out, measure_slow_path, measure_statistics
from ebpf_overhead.tools.top.system_calls import on_system_calls

_ALWAYS_ON = Path("/proc/sys/kernel/bpf_stats_enabled")
_IN_A_FILE, _ON = re.compile(r"(/.+?)\+0x([0-9a-f]+)"), " on "
# Values under "dispatch/" may have been measured beside other programs, by older versions.
_DISPATCH = "dispatch alone/"
_STATISTICS, _SLOW_PATH = "statistics/run", "slow path/system call"


@dataclass(frozen=True)
class Dispatch:
    """The dispatch of an attach type, or why it is unknown.

    Attributes
    ----------
    left_out : Interval or None
        ns (or instructions) per run.
    origin : str
        ``measured now`` or ``stored DATE``.
    reason : str or None
        Why it is unknown.
    """

    left_out: Interval | None
    origin: str = ""
    reason: str | None = None


def priced_as(attachment: Attachment) -> str | None:
    """Return the attach type with the dispatch of a hook; None where none is measured.

    That of a uprobe depends on the instruction that it replaces: behind the name stands the
    workload that begins so, where it is not the usual one.
    """
    found = like(attachment.attach, attachment.target)
    if found is None:
        return None
    place = _IN_A_FILE.match(attachment.target)
    if place is None or USER not in found.serves:
        return found.name
    try:
        first = first_instruction(AttachPoint(place[0], int(place[2], 16), place[1]))
    except (OSError, OverheadError):  # a file of another mount namespace, or machine
        return None
    workload = first.workload or NOP5.workload
    return found.name if workload == NOP.workload else f"{found.name}{_ON}{workload}"


class DispatchCosts:
    """The dispatch of each attach type on this kernel.

    Parameters
    ----------
    store : Store
        Earlier measurements; new ones are added.
    say : callable, optional
        Called with one line on what is being measured.
    measuring : bool
        Whether to measure what is not stored.

    Attributes
    ----------
    statistics : Interval or None
        Cost of the kernel's statistics per run; None if unknown.
    slow_path : Interval or None
        Cost per system call once any system call is traced; None if unknown.
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
        self._postponed: set[str] = set()
        self.statistics: Interval | None = None
        self.slow_path: Interval | None = None

    def of(self, kind: str | None) -> Dispatch:
        """Return the dispatch of an attach type."""
        if kind is None:
            return Dispatch(None, reason="no measured attach type is similar")
        return self._known.get(kind, Dispatch(None, reason="not measured yet"))

    def unknown(self, kinds: Iterable[str | None]) -> set[str]:
        """Return which of the attach types :meth:`learn` is to see, once more perhaps."""
        return {kind for kind in kinds if kind is not None} - (self._known.keys() - self._postponed)

    def learn(self, kinds: Iterable[str], hooks: Collection[Attachment] = ()) -> None:
        """Look up or measure the dispatch of attach types; statistics must be off.

        Parameters
        ----------
        kinds : iterable of str
            Attach types, from :func:`priced_as`.
        hooks : collection of Attachment
            The hooks of all programs.  Where some trace system calls already, the slow path
            cannot be measured.
        """
        traced = any(map(on_system_calls, hooks))
        measuring = self._measuring and not statistics_always_on()
        self._postponed.clear()
        for kind in sorted(kinds):
            found = self._store.find(_DISPATCH + kind)
            if found is not None:
                date = time.strftime("%Y-%m-%d", time.localtime(found.measured_at))
                self._known[kind] = Dispatch(found.interval, f"stored {date}")
            elif measuring:
                self._known[kind] = self._measure(kind, hooks)
            else:
                self._known[kind] = Dispatch(None, reason=self._why_not())
        self.statistics = self._once(
            _STATISTICS, "the cost of the kernel's statistics", measure_statistics, measuring
        )
        self.slow_path = self._once(
            _SLOW_PATH,
            "the slow path of traced system calls",
            measure_slow_path,
            measuring and not traced,
        )

    def _why_not(self) -> str:
        if self._measuring:
            return f"not measured while {_ALWAYS_ON} is 1, which makes every run more expensive"
        return "not measured on this kernel"

    def _measure(self, kind: str, hooks: Collection[Attachment]) -> Dispatch:
        attach, _, workload = kind.partition(_ON)
        (case, *_) = select([attach], ["empty"], [workload] if workload else [])
        try:
            place = free_place(case, hooks)
            with machine_lock.held():
                self._say(f"Measuring the dispatch of {kind}, which run_time_ns leaves out")
                left_out = measure_left_out(place.case)
        except machine_lock.BusyError as error:
            self._postponed.add(kind)
            return Dispatch(None, reason=f"not measured yet: {error.what}")
        except OverheadError as error:
            return Dispatch(None, reason=str(error))
        if place.alone:
            self._store.put({_DISPATCH + kind: left_out})
        return Dispatch(left_out, "measured now")

    def _once(
        self, key: str, what: str, measure: Callable[[], Interval], measuring: bool
    ) -> Interval | None:
        found = self._store.get(key)
        if found is not None or not measuring:
            return found
        try:
            with machine_lock.held():
                self._say(f"Measuring {what}")
                found = measure()
        except OverheadError:
            return None
        self._store.put({key: found})
        return found


def statistics_always_on() -> bool:
    """Whether the statistics are permanently on, so that nothing is measured without them."""
    try:
        return _ALWAYS_ON.read_text().strip() == "1"
    except OSError:
        return False
