"""What any hook costs the caller, for hooks that are not cases of the catalogue.

Several programs at once, or tracers of the project's own.
"""

from __future__ import annotations

from collections.abc import Callable

from ebpf_overhead.measure import machine_lock
from ebpf_overhead.measure.sampler import Sampler
from ebpf_overhead.measure.sampling import Precision, choose_cpu
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.measure.turns import sample


@machine_lock.held()
def paired_difference(
    workload: str,
    switch: Callable[[bool], None],
    time_s: float = 2.0,
    precision: Precision | None = None,
    after_probed: Callable[[], None] = lambda: None,
) -> Interval:
    """Measure what a hook adds to one call of a workload.

    Parameters
    ----------
    workload : str
        What is called, one of ``_workload.WORKLOADS``.
    switch : callable
        Attaches (True) or detaches (False); called with a change, but that at the end also
        when a signal came in the middle of one: to detach what is not attached is nothing.
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
        # A signal may come at any time: what is perhaps attached counts as attached.
        attached = attached or on
        switch(on)
        attached = on

    def after_half(on: bool) -> None:
        if on:
            after_probed()

    try:
        keep_track(True)
        sampler = Sampler(
            workload, keep_track, cpu=choose_cpu(), attached=True, after_half=after_half
        )
        after_probed()
        return sample(sampler, precision or Precision(), time_s).overhead
    finally:
        if attached:
            switch(False)
