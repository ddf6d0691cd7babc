"""Blocks of windows: what a hook that is switched on and off adds to a call.

A block has windows with the hook and as many without.  Of two blocks one begins with the hook
and one without, in random order: drift adds to one what it takes from the other.

The time of a call depends on where in memory the hook and the calling thread lie, and that
would be the same in all blocks: so the program is reloaded for each block, and called from
another thread.  The interval is then that of any loading and any thread.  Instructions do not
depend on it.  There a block begins without a switch if the one before ended as it begins, and in
a guest several blocks are switched together.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from ebpf_overhead.errors import OverheadError
from ebpf_overhead.measure.sampling import HalfBlock, Run, Samples, half_block_of
from ebpf_overhead.phases import phase
from ebpf_overhead.workload import _workload, clock
from ebpf_overhead.workload.calling_threads import CallingThreads

# So large a share of half a block's windows tells enough of it.
_WHOLE_MIN = 0.25

# Has a thread make timed calls.
_Do = Callable[[Callable[[], tuple[list[int], int]]], tuple[list[int], int]]


class Sampler:
    """Measures blocks of windows of calls of a workload, with and without a hook.

    Parameters
    ----------
    workload : str
        What is called, one of ``_workload.WORKLOADS``.
    switch : callable
        Attaches (True) or detaches (False); called with a change, and to detach after an error.
    cpu : int
        CPU to run on.
    seed : int or None
        Seed of the order of the halves.
    attached : bool
        Whether the hook is attached now.
    after_half : callable, optional
        Called after each half of a block with whether it was measured attached.
    run : callable, optional
        Makes the calls and times them; by default the thread it is called in does.
    in_turns : bool
        Whether, where the clock is layout-sensitive, it is called in threads that take turns.
    half_block : HalfBlock, optional
        Windows of half a block; by default those that suit the workload.

    Attributes
    ----------
    attached : bool
        Whether the hook is attached.
    calls : int
        Calls in a window.
    in_turns : bool
        Whether it is called in threads that take turns.
    call : object
        Equal for samplers whose calls are the same without a hook.
    """

    def __init__(
        self,
        workload: str,
        switch: Callable[[bool], None],
        *,
        cpu: int,
        seed: int | None = None,
        attached: bool = False,
        after_half: Callable[[bool], None] = lambda attached: None,
        run: Run | None = None,
        in_turns: bool = True,
        half_block: HalfBlock | None = None,
    ) -> None:
        self.workload = workload
        self.cpu = cpu
        self.attached = attached
        self.calls, self._windows_per_half = half_block or half_block_of(workload, cpu, run)
        self._run = run or _workload.run
        self.call: object = workload if run is None and in_turns else self
        self._switch = switch
        self._after_half = after_half
        self._random = random.Random(seed)
        self._clock = clock.current()
        self.in_turns = in_turns and self._clock.layout_sensitive
        self._beginnings: list[bool] = []
        self._windows: dict[bool, list[float]] = {False: [], True: []}
        # Whether another task had the CPU in a window; False where that is not looked at.
        self._preempted: dict[bool, list[bool]] = {False: [], True: []}
        self.tells_preempted = run is None and self._clock.layout_sensitive

    @property
    def blocks(self) -> int:
        """Blocks that were measured."""
        return min(map(len, self._windows.values())) // self._windows_per_half

    @property
    def samples(self) -> Samples:
        """The windows of all blocks."""
        # An interruption may come when the windows of one half are kept and the others are not.
        whole = self.blocks * self._windows_per_half
        return Samples(
            tuple(self._windows[False][:whole]),
            tuple(self._windows[True][:whole]),
            self._windows_per_half,
            self.calls,
        )

    @property
    def preempted(self) -> int:
        """Windows in which another task had the CPU."""
        return sum(map(sum, self._preempted.values()))

    def half(self, attached: bool, block: int) -> list[float]:
        """Return the windows of half a block, in ns per call.

        Those in which another task had the CPU are left out, unless there are few others.
        """
        of_block = slice(block * self._windows_per_half, (block + 1) * self._windows_per_half)
        windows = self._windows[attached][of_block]
        preempted = self._preempted[attached][of_block]
        whole = [value for value, lost in zip(windows, preempted, strict=True) if not lost]
        return whole if len(whole) >= _WHOLE_MIN * len(windows) else windows

    def switch(self, attached: bool) -> None:
        """Attach or detach, unless it is so already."""
        if attached != self.attached:
            with phase("switch"):
                self._switch(attached)
            self.attached = attached

    def abandon(self) -> None:
        """Detach the hook of a block that failed, so that nobody else's calls run it."""
        with suppress(OverheadError):
            self._switch(False)
        self.attached = False

    def block(self, threads: CallingThreads) -> None:
        """Measure a block, or several at once; of one that is interrupted nothing remains."""
        first = self._first_half()
        do: _Do = threads.turn() if self.in_turns else lambda work: work()
        found: dict[bool, list[tuple[float, bool]]] = {False: [], True: []}
        for attached in (first, not first):
            for _ in range(self._clock.blocks_per_switch):
                found[attached] += self._half(attached, do)
        for attached, windows in found.items():
            self._preempted[attached] += [lost for _, lost in windows]
            self._windows[attached] += [value for value, _ in windows]

    def _marks(self, preempted: bytearray) -> dict[str, Any]:
        return {"preempted": preempted} if self.tells_preempted else {}

    def _first_half(self) -> bool:
        """Whether the next block begins attached: of each two, one does."""
        if not self._beginnings:
            self._beginnings = [False, True]
            self._random.shuffle(self._beginnings)
        return self._beginnings.pop()

    def _half(self, attached: bool, do: _Do) -> list[tuple[float, bool]]:
        """Measure the windows of half a block: ns per call, and whether each was preempted."""
        # The first window after a switch, or in another thread, warms up and does not count.
        extra = int(self._clock.layout_sensitive or attached != self.attached)
        if self._clock.layout_sensitive and attached:
            self.switch(False)  # to be reloaded
        self.switch(attached)
        count = self._windows_per_half + extra
        preempted = bytearray(count)
        run = partial(
            self._run,
            self.workload,
            self.calls,
            windows=count,
            cpu=self.cpu,
            **self._clock.source,
            **self._marks(preempted),
        )
        with phase("sample"):
            elapsed_ns, _ = do(run)
        self._after_half(attached)
        return [
            (value / self.calls, bool(lost))
            for value, lost in zip(elapsed_ns[extra:], preempted[extra:], strict=True)
        ]
