"""Every exception of the project: what failed, the observed value, what to do.

The command line turns each into one line and an exit status, never a traceback.
"""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """Exit statuses of every command, documented in the README."""

    MEASURED = 0
    CASE_FAILED = 1
    BAD_USE = 2
    NOTHING_MEASURABLE = 3
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
        super().__init__(what)
        self.what = what
        self.remedy = remedy

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


class MissingToolError(OverheadError):
    """A program or library that is needed is not installed."""

    exit_status = ExitStatus.NOTHING_MEASURABLE
