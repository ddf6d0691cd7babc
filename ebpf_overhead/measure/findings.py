"""What a program did not do, or did in vain, in words and as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple, TypeVar

from ebpf_overhead.errors import FailedError
from ebpf_overhead.programs.map_states import MapState

_T = TypeVar("_T")


@dataclass(frozen=True)
class Finding:
    """Something that a program did not do, or did in vain.

    Attributes
    ----------
    what : str
        In words.
    map, helper : str, optional
        The map and the helper that it is about.
    errno : str, optional
        Name of the first error.
    times, calls : int, optional
        How often it was so, of so many times that it was tried.
    """

    what: str
    _: KW_ONLY
    map: str | None = None
    helper: str | None = None
    errno: str | None = None
    times: int | None = None
    calls: int | None = None


class Failure(NamedTuple):
    """A finding that makes a result worthless: it is not the cost of the program as written.

    Attributes
    ----------
    finding : Finding
        What was found.
    remedy : str or None
        What helps; None where its map needs more entries.
    """

    finding: Finding
    remedy: str | None = ""


@dataclass(frozen=True)
class Judgement:
    """Whether a program did its work.

    Attributes
    ----------
    failures : tuple of Failure
        Why its cost is not that of the program as it was written.
    findings : tuple of Finding
        What else there is to say of it.
    maps : tuple of MapState
        Its maps after measuring.
    """

    failures: tuple[Failure, ...] = ()
    findings: tuple[Finding, ...] = ()
    maps: tuple[MapState, ...] = ()

    @classmethod
    def of(cls, found: Sequence[Failure | Finding], maps: Sequence[MapState]) -> Judgement:
        """Return what was found, sorted by what it means."""
        failures = tuple(each for each in found if isinstance(each, Failure))
        findings = tuple(each for each in found if isinstance(each, Finding))
        return cls(failures, findings, tuple(maps))

    def __add__(self, other: Judgement) -> Judgement:
        def united(first: tuple[_T, ...], second: tuple[_T, ...]) -> tuple[_T, ...]:
            return tuple(dict.fromkeys((*first, *second)))

        return Judgement(
            united(self.failures, other.failures),
            united(self.findings, other.findings),
            united(self.maps, other.maps),
        )

    def check(self, case_name: str, more_entries: str) -> None:
        """Raise FailedError unless the program did its work.

        Parameters
        ----------
        case_name : str
            Whose program it is.
        more_entries : str
            How to keep a map from filling.
        """
        if self.failures:
            what = " and ".join(each.finding.what for each in self.failures)
            remedies = (
                more_entries if each.remedy is None else each.remedy for each in self.failures
            )
            raise FailedError(
                f"{case_name} {what}", " and ".join(filter(None, dict.fromkeys(remedies)))
            )
