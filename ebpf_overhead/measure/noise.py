"""What else the machine did while it measured, as the kernel counted it before and after."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ebpf_overhead.machine import activity
from ebpf_overhead.machine.tree import Tree


@dataclass
class Noise:
    """What happened on the measuring CPU and around it.

    Attributes
    ----------
    cpu : int
        Where it was measured.
    seconds : float
        How long.
    interrupts_per_s : float or None
        Interrupts on that CPU.
    stolen_share : float or None
        Share of its time that the hypervisor gave to others, 0..1.
    siblings_share : float or None
        Share of the time in which the other logical CPUs of its core were busy, 0..1; None where
        it has none.
    others_share : float or None
        The same of all other CPUs; None where there are none.
    throttled : int or None
        How often heat slowed it down.
    governor : str or None
        Its frequency governor; None where the kernel does not scale the frequency.
    """

    cpu: int
    seconds: float = 0.0
    interrupts_per_s: float | None = None
    stolen_share: float | None = None
    siblings_share: float | None = None
    others_share: float | None = None
    throttled: int | None = None
    governor: str | None = None


@contextmanager
def watched(cpu: int, tree: Tree | None = None) -> Iterator[Noise]:
    """Count what happens while the block runs; what is known is there when it has ended.

    Parameters
    ----------
    cpu : int
        Where it is measured.
    tree : Tree, optional
        Where to read; the running system's by default.
    """
    tree = tree or Tree()
    noise = Noise(cpu, governor=_governor(tree, cpu))
    began_s = time.monotonic()
    ticks, interrupts = activity.ticks(tree), activity.interrupts(tree, cpu)
    throttled = activity.throttled(tree, cpu)
    try:
        yield noise
    finally:
        noise.seconds = max(time.monotonic() - began_s, 1e-9)
        spent = {each: now - ticks.get(each, now) for each, now in activity.ticks(tree).items()}
        siblings = activity.siblings(tree, cpu)
        others = spent.keys() - siblings - {cpu}
        now, heat = activity.interrupts(tree, cpu), activity.throttled(tree, cpu)
        if now is not None and interrupts is not None:
            noise.interrupts_per_s = round((now - interrupts) / noise.seconds, 1)
        if cpu in spent:
            noise.stolen_share = round(spent[cpu].stolen_share, 4)
        noise.siblings_share = _busy_share(spent, siblings)
        noise.others_share = _busy_share(spent, others)
        if heat is not None and throttled is not None:
            noise.throttled = heat - throttled
        noise.seconds = round(noise.seconds, 3)


def _governor(tree: Tree, cpu: int) -> str | None:
    return tree.text(f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor")


def _busy_share(spent: dict[int, activity.Ticks], cpus: set[int]) -> float | None:
    return round(activity.together(spent, cpus).busy_share, 4) if cpus & spent.keys() else None
