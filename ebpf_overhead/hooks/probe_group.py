"""Several probes on one workload, attached and detached as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

from ebpf_overhead.hooks.cases import Case
from ebpf_overhead.hooks.hook import Attachable
from ebpf_overhead.hooks.probe import Probe


class ProbeGroup(Attachable):
    """The probe that is measured, and those that are co-attached with it.

    Parameters
    ----------
    probe : Probe
        The one that is measured; it is attached last.
    others : sequence of Probe
        Those that are attached whenever it is.
    together : bool
        Whether the others are detached with it.

    Attributes
    ----------
    probe, others
        As given.
    measured : tuple of Probe
        Those that are attached and detached to be measured.
    """

    def __init__(self, probe: Probe, others: Sequence[Probe] = (), together: bool = False) -> None:
        self.probe = probe
        self.others = tuple(others)
        self.measured = (*self.others, probe) if together else (probe,)

    @property
    def attached(self) -> bool:
        """Whether the program that is measured runs when the workload is called."""
        return self.probe.attached

    def attach(self) -> None:
        """Attach all that are not attached.

        Raises
        ------
        OverheadError
            The kernel refused one; a point takes so many programs and no more.
        """
        for each in (*self.others, self.probe):
            each.attach()

    def detach(self) -> None:
        """Detach the probe that is measured, or all if they are measured together."""
        for each in reversed(self.measured):
            each.detach()

    def let_go(self) -> None:
        """Detach the same, and return as soon as nothing runs them any more."""
        for each in reversed(self.measured):
            each.let_go()

    def reload(self) -> None:
        """Load those that are measured again, in place of what is loaded."""
        for each in self.measured:
            each.reload()

    def close(self) -> None:
        """Detach and unload all of them."""
        for each in (self.probe, *reversed(self.others)):
            each.close()


def load_group(load: Callable[[Case], Probe], case: Case) -> ProbeGroup:
    """Load the program of a case, and those that are co-attached with it.

    Parameters
    ----------
    load : callable
        Loads one.
    case : Case
        What is measured.

    Returns
    -------
    ProbeGroup
        The probe that is measured is not attached; the others are, if they are to stay.
    """
    co_attached = case.co_attached
    with ExitStack() as loaded:
        others = [loaded.enter_context(load(each)) for each in co_attached.cases]
        if not co_attached.together:
            for other in others:
                other.attach()
        group = ProbeGroup(load(case), others, co_attached.together)
        loaded.pop_all()
        return group
