"""Several programs on one target: what one more costs, and what all of them cost.

Each is a program of its own, loaded and attached for itself, as several tools would do it, and
each is proven to run once a call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ebpf_overhead.attach_types import Target
from ebpf_overhead.cases import STANDARD_ATTACH_TYPES, Case, select
from ebpf_overhead.company import Beside
from ebpf_overhead.measure import Options, Result, measure_case
from ebpf_overhead.proof import Witness, open_witness

# 38 programs are the most that one trampoline takes (BPF_MAX_TRAMP_LINKS).
COUNTS = (1, 2, 4, 8, 16, 32, 64)
ATTACH_TYPES = (*STANDARD_ATTACH_TYPES[:4], "fexit", *STANDARD_ATTACH_TYPES[4:])


@dataclass(frozen=True)
class Setting:
    """A case and what is beside it.

    Attributes
    ----------
    case : Case
        The program that is attached last.
    beside : Beside
        The others.
    """

    case: Case
    beside: Beside = field(default_factory=Beside)

    @property
    def name(self) -> str:
        """Name for people: ``getpid/fentry/empty beside 3 fentry``."""
        return f"{self.case.name}{self.beside}"


def numbers(cases: Iterable[Case], counts: Iterable[int] = COUNTS) -> list[Setting]:
    """Return the settings of so many programs of one attach type.

    For every number there are two: what the last one adds, and what all of them cost.
    """
    return [
        Setting(case, Beside((case,) * (count - 1), together))
        for case in cases
        for count in sorted(set(counts))
        for together in ((False, True) if count > 1 else (False,))
    ]


def pairs(cases: Sequence[Case]) -> list[Setting]:
    """Return the settings of each case alone, and of each beside each that has its target."""
    alone = [Setting(case) for case in cases]
    return alone + [
        Setting(case, Beside((other,), together))
        for case in cases
        for other in cases
        if other.target == case.target
        for together in (False, True)
    ]


def choose(attach: Iterable[str], program: str) -> list[Case]:
    """Return the cases of attach types, those of this question by default, with a program."""
    return select(list(attach) or ATTACH_TYPES, [program])


def measure(
    settings: Iterable[Setting],
    options: Options,
    progress: Callable[[Setting, float], None] = lambda setting, share: None,
) -> Iterator[Result]:
    """Measure settings one after the other.

    Yields
    ------
    Result
        One a setting, in order; never an exception for what this kernel cannot do.
    """
    witnesses: dict[tuple[Target, bool], Witness | None] = {}
    try:
        for setting in settings:
            case = setting.case
            wanted = (case.target, case.attach.at_exit)
            if wanted not in witnesses:
                witnesses[wanted] = open_witness(*wanted)

            def report(share: float, setting: Setting = setting) -> None:
                progress(setting, share)

            yield measure_case(case, options, witnesses[wanted], report, beside=setting.beside)
    finally:
        for witness in witnesses.values():
            if witness is not None:
                witness.close()
