"""What any hook costs the caller, for hooks that are not cases of the catalogue.

Several programs at once, or tracers of the project's own.
"""

from __future__ import annotations

from collections.abc import Callable

from ebpf_overhead.sampling import Precision, Sampler, choose_cpu
from ebpf_overhead.stats import Interval


def paired_difference(
    target: str,
    switch: Callable[[bool], None],
    time_s: float = 2.0,
    precision: Precision | None = None,
    after_probed: Callable[[], None] = lambda: None,
) -> Interval:
    """Measure what a hook adds to one call of a target.

    Parameters
    ----------
    target : str
        What is called, one of ``_workload.TARGETS``.
    switch : callable
        Attaches (True) or detaches (False); always called with a change.
    time_s : float
        Stop after this many seconds, once there are enough blocks for an interval.
    precision : Precision, optional
        Stop as soon as the interval is this narrow.
    after_probed : callable, optional
        Called after each half that was measured attached, and first after some calls more.

    Returns
    -------
    Interval
        ns (or instructions) per call.  The hook is detached at the end.
    """
    attached = False

    def keep_track(on: bool) -> None:
        nonlocal attached
        switch(on)
        attached = on

    def after_half(on: bool) -> None:
        if on:
            after_probed()

    keep_track(True)
    try:
        sampler = Sampler(
            target, keep_track, cpu=choose_cpu(), attached=True, after_half=after_half
        )
        after_probed()
        return sampler.sample(precision or Precision(), time_s).overhead
    finally:
        if attached:
            switch(False)
