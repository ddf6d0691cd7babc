"""What became of a case: measured, or the reason why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from ebpf_overhead.errors import OverheadError, status_of
from ebpf_overhead.hooks.cases import Case

_Outcome = TypeVar("_Outcome", bound="Outcome")


@dataclass(frozen=True)
class Outcome:
    """A case measured, or the reason why not; what was found is added by subclasses.

    Attributes
    ----------
    case : Case
        What was to be measured.
    status : str
        ``measured``, ``unsupported``, ``refused`` or ``failed``.
    reason, remedy : str or None
        Why it was not measured, and what would help.
    """

    case: Case
    status: str
    reason: str | None = None
    remedy: str | None = None

    @classmethod
    def of_error(cls: type[_Outcome], case: Case, error: OverheadError, **more: Any) -> _Outcome:
        """Return the outcome of a case that ended in an error.

        Parameters
        ----------
        case : Case
            What was to be measured.
        error : OverheadError
            How it ended.
        **more
            Further attributes of the subclass.
        """
        return cls(case, status_of(error), error.what, error.remedy or None, **more)
