"""The rows of a run, whatever ends it: those that are finished are not lost."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, TypeVar

from ebpf_overhead.errors import ExitStatus, short_reason

if TYPE_CHECKING:  # it comes with what measures
    from ebpf_overhead.report.record import Record

_Row = TypeVar("_Row")


class Gathering:
    """Takes rows as they come, and knows what ended a run before all of them were there.

    Attributes
    ----------
    cut_short : BaseException or None
        What that was.
    """

    def __init__(self) -> None:
        self.cut_short: BaseException | None = None
        self._has_rows = False

    def gather(self, rows: Iterator[_Row]) -> list[_Row]:
        """Return all rows, or those that were finished when an error or a signal came.

        Without any row the error is raised at once.
        """
        found: list[_Row] = []
        try:
            for row in rows:
                found.append(row)
                self._has_rows = True
        except (Exception, KeyboardInterrupt) as error:
            if isinstance(rows, Generator):
                rows.close()
            if not self._has_rows:
                raise
            self.cut_short = error
        return found

    def marked(self, record: Record) -> Record:
        """Return a record that says what ended its run, if anything did before its end."""
        if self.cut_short is None:
            return record
        return {**record, "cut_short": short_reason(self.cut_short)}


def exit_status(record: Record) -> ExitStatus:
    """Return the exit status that a run's results deserve."""
    statuses = {case["status"] for case in record["cases"]}
    if "failed" in statuses:
        return ExitStatus.CASE_FAILED
    if "measured" in statuses:
        return ExitStatus.MEASURED
    return ExitStatus.NOTHING_MEASURABLE
