"""Several programs on one target, taken for one probe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from ebpf_overhead.attach import Probe
from ebpf_overhead.cases import Case


@dataclass(frozen=True)
class Beside:
    """What else is on the target of a case.

    Attributes
    ----------
    cases : tuple of Case
        A program for each, attached in this order, before the one of the case itself.
    together : bool
        Whether they come and go with it, so that all of them are measured; else they stay.
    """

    cases: tuple[Case, ...] = ()
    together: bool = False

    @property
    def programs(self) -> int:
        """How many programs are on the target, the one of the case included."""
        return 1 + len(self.cases)

    @property
    def attach_types(self) -> dict[str, int]:
        """Attach types of the others, and how many are attached so."""
        names = [case.attach.name for case in self.cases]
        return {name: names.count(name) for name in dict.fromkeys(names)}

    def __str__(self) -> str:
        """Return it as it follows the name of a case: `` beside 3 fentry``."""
        others = " and ".join(f"{count} {name}" for name, count in self.attach_types.items())
        return f" {'with' if self.together else 'beside'} {others}" if others else ""


class Company(Probe):
    """A probe with others on the same target.

    It stands for the one that is attached last; ``others`` are attached whenever it is.
    """

    def __init__(self, last: Probe, others: Sequence[Probe], together: bool) -> None:
        super().__init__(
            last.case, last.compiled, last.prog_fd, last.hook, last._open_hook, last._loaded_as
        )
        self._others = others
        self._together = together

    @property
    def others(self) -> Sequence[Probe]:
        """Programs that are attached whenever it is."""
        return self._others

    def attach(self) -> None:
        """Attach all that are not attached.

        Raises
        ------
        OverheadError
            The kernel refused it; it takes so many programs at a hook and no more.
        """
        for other in self._others:
            other.attach()
        super().attach()

    def detach(self) -> None:
        """Detach the one that is measured, or all if they are measured together."""
        super().detach()
        if self._together:
            for other in reversed(self._others):
                other.detach()

    def load_anew(self) -> None:
        """Load those again, in place of the ones there are, that are measured."""
        super().load_anew()
        if self._together:
            for other in self._others:
                other.load_anew()

    def close(self) -> None:
        """Detach and unload all of them."""
        super().close()
        for other in reversed(self._others):
            other.close()


def load_company(load: Callable[[Case], Probe], case: Case, beside: Beside) -> Probe:
    """Load the programs of a case and of those beside it.

    Parameters
    ----------
    load : callable
        Loads one.
    case : Case
        What is measured.
    beside : Beside
        What is beside it.

    Returns
    -------
    Probe
        Not attached; the others are, if they are to stay.
    """
    if not beside.cases:
        return load(case)
    with ExitStack() as loaded:
        others = [loaded.enter_context(load(each)) for each in beside.cases]
        if not beside.together:
            for other in others:
                other.attach()
        company = Company(load(case), others, beside.together)
        loaded.pop_all()
        return company
