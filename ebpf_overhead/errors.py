"""Every exception of the project: what failed, the observed value, what to do.

The command line turns each into one line and an exit status, never a traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import IntEnum

from ebpf_overhead.printable import shortened

_MOST_CHARACTERS = 4000

# A list of names that is longer than this is not printed in an error.
_FEW = 8
# Comparing names takes the square of their length.
_LONGEST = 100


class ExitStatus(IntEnum):
    """Exit statuses of every command, documented in the README.

    ``NOT_FINISHED``: the machine stopped the run or the writing of its result (something else
    measures, a full disk, too few descriptors, no memory), or a fault of this program did.
    """

    MEASURED = 0
    CASE_FAILED = 1
    BAD_USE = 2
    NOTHING_MEASURABLE = 3
    NOT_FINISHED = 4
    INTERRUPTED = 130


class OverheadError(Exception):
    """Base of all errors of this project.

    Parameters
    ----------
    what : str
        What failed, with the observed value.
    remedy : str, optional
        What the user can do about it.

    Attributes
    ----------
    verifier_log : str
        All that the kernel's verifier wrote; empty where it had no say.
    """

    exit_status = ExitStatus.CASE_FAILED
    verifier_log = ""

    def __init__(self, what: str, remedy: str = "") -> None:
        # Both may quote an argument, a file or a process, which can be anything.
        self.what = shortened(what, _MOST_CHARACTERS, keep="\n\t")
        self.remedy = shortened(remedy, _MOST_CHARACTERS, keep="\n\t")
        super().__init__(self.what)

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}" if self.remedy else self.what


class UnsupportedError(OverheadError):
    """Kernel, machine or BCC cannot do it; no rights would change that."""

    exit_status = ExitStatus.NOTHING_MEASURABLE


class RefusedError(OverheadError):
    """The kernel could do it, and refuses it to this user (rights)."""

    exit_status = ExitStatus.NOTHING_MEASURABLE


class FailedError(OverheadError):
    """Something that ought to work did not."""


class BadUseError(OverheadError):
    """The user asked for something that makes no sense."""

    exit_status = ExitStatus.BAD_USE


class UnknownNameError(BadUseError):
    """Nothing has the name that the user gave.

    Parameters
    ----------
    kind : str
        What it was to be the name of: ``program``, ``kernel``.
    name : str
        As it was given.
    known : iterable of str
        The names there are; those that are closest are named, or all if there are few.
    remedy : str, optional
        Where to find the names, for when none is close.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], remedy: str = "") -> None:
        names = list(dict.fromkeys(known))
        close = closest(name, names)
        if close:
            remedy = f"did you mean {_one_of(close)}?"
        elif len(names) <= _FEW:
            remedy = f"choose {_one_of(names)}" if names else remedy
        super().__init__(f"no {kind} is called {name!r}", remedy)


def closest(name: str, known: Iterable[str]) -> list[str]:
    """Return the up to three names that are most like one, the closest first.

    Names that go on where it ends are closest: 6.12.118 for 6.12.  Where no name is like it as a
    whole, one with a number in it is compared with how names begin: 6.13 with 6.12.118.
    """
    folded = {_folded(each): each for each in reversed(list(known))}
    wanted = _folded(name)[:_LONGEST]
    longer = [each for each in folded if each.startswith((f"{wanted}.", f"{wanted}-"))]
    if wanted in folded:
        longer = []  # It differs in case or hyphens only.
    found = longer[:3] or difflib.get_close_matches(wanted, folded)
    if not found and any(map(str.isdigit, wanted)):
        begun = {each[: len(wanted)]: each for each in reversed(folded)}
        found = [begun[each] for each in difflib.get_close_matches(wanted, begun)]
    return [folded[each] for each in found]


def _folded(name: str) -> str:
    return name.lower().replace("_", "-")


def _one_of(names: list[str]) -> str:
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


class MissingToolError(OverheadError):
    """A program or library that is needed is not installed."""

    exit_status = ExitStatus.NOTHING_MEASURABLE


def status_of(error: OverheadError) -> str:
    """Return the word for an error in results: unsupported, refused or failed."""
    if isinstance(error, RefusedError):
        return "refused"
    if isinstance(error, (UnsupportedError, MissingToolError)):
        return "unsupported"
    return "failed"


class Terminated(KeyboardInterrupt):
    """A signal asked the command to end; everything that handles Ctrl-C handles it.

    Parameters
    ----------
    number : int
        Number of the signal.

    Attributes
    ----------
    exit_status : int
        As a shell gives it: 128 + number.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_status = 128 + number


def short_reason(error: BaseException) -> str:
    """Return in a few words what ended a run before its time."""
    if isinstance(error, KeyboardInterrupt):
        return "terminated" if isinstance(error, Terminated) else "interrupted"
    return str(error) or type(error).__name__
