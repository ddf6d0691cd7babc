"""What one file of programs costs, as a class of benchmarks for asv: in any project's own suite.

``ebpf-overhead init`` writes such suites (docs/other-projects.md).  The environment type
``programs`` of this project's plugin builds a commit's programs, and says where they are.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from ebpf_overhead.api.frames import rows
from ebpf_overhead.api.measuring import cases_named, measure
from ebpf_overhead.asv.samples import samples_of
from ebpf_overhead.errors import BadUseError, FailedError
from ebpf_overhead.hooks.cases import Case
from ebpf_overhead.kernels import catalogue

# Set by the environment type ``programs``: where a commit is built, and the kernel's release.
BUILT = "ASV_PROGRAMS_DIR"
KERNEL = "KERNEL"

ALL = "all"

_Row = TypeVar("_Row")


class ProgramCost(ABC):
    """Base of benchmarks of a file of programs, in instructions per call, in guests.

    Each class has a ``setup_cache`` of its own that returns `measured`: asv tells caches apart by
    the line they are written on.

    Attributes
    ----------
    program : str
        The file, in the project: an object file, an executable that has one inside, C source for
        BCC, or a script of bpftrace's.
    cases : sequence of str
        What is tracked, as `case_names` names it.
    attach, workload : sequence of str
        As ``ebpf-overhead measure`` takes them; by default where the file's sections say.
    lacking : mapping of str to sequence of str
        Cases that a kernel cannot have, by its series: ``{"5.10": ["on_exit, fexit"]}``.  They are
        n/a.  Any other case that is not measured fails, so that no change hides one.
    """

    program = ""
    cases: tuple[str, ...] | list[str] = ()
    attach: tuple[str, ...] | list[str] = ()
    workload: tuple[str, ...] | list[str] = ()
    lacking: Mapping[str, tuple[str, ...] | list[str]] = {}

    params: ClassVar[list[list[str]]]
    param_names = ("case",)
    unit = "instructions"
    version = "1"
    timeout = 600
    only_read_cache = True

    def __init_subclass__(cls) -> None:
        cls.params = [list(cls.cases)]

    @abstractmethod
    def setup_cache(self) -> dict[str, dict[str, Any]]:
        """Return `measured`."""

    def measured(self) -> dict[str, dict[str, Any]]:
        """Measure the commit's file on the environment's kernel; return its rows by case.

        Raises
        ------
        OverheadError
            The commit's build made no such file, or it cannot be measured at all.
        """
        place = os.environ.get(BUILT)
        if place is None:
            raise BadUseError(f"{BUILT} is not set", 'have "environment_type": "programs" in asv')
        path = Path(place, self.program)
        if not path.exists():
            raise FailedError(
                f"the commit has no {self.program}", "see build_command of asv's configuration"
            )
        record = measure(
            kernel=os.environ[KERNEL],
            program=[str(path)],
            attach=self.attach,
            workload=self.workload,
        )
        return _by_name((_of_row(row), row["target"], row) for row in rows(record))

    def setup(self, cache: Mapping[str, Mapping[str, Any]], case: str) -> None:
        """Take a case's row, or say why there is no number."""
        from asv_runner.benchmarks.mark import SkipNotImplemented

        if case not in cache:
            known = "; ".join(cache)
            raise FailedError(f"{self.program} has no case {case!r}", f"it has: {known}")
        self.row = cache[case]
        if self.row["status"] == "measured":
            return
        why = f"{self.row['status']}: {self.row['reason']}"
        kernel = catalogue.find(os.environ[KERNEL]).record
        if any(case in cases for name, cases in self.lacking.items() if kernel.is_called(name)):
            raise SkipNotImplemented(why)
        raise FailedError(why, f"if {kernel.series} cannot have it, name it in `lacking`")

    def track_overhead(self, cache: object, case: str) -> dict[str, object]:
        """Return what the programs add to a call of the workload, in instructions."""
        row = self.row
        number = row["windows_per_block"] * row["calls_per_window"]
        return samples_of(row["overhead"], row["overhead_low"], row["overhead_high"], number)

    track_overhead.__dict__["less_is_better"] = True


def case_names(program: str, attach: Iterable[str] = (), workload: Iterable[str] = ()) -> list[str]:
    """Return what `ProgramCost` calls the cases of a file.

    ``all`` are its programs together; ``on_open, fentry`` is one of them, and ``fentry`` the only
    one.  Where a workload tells two of them apart, their names end with it.

    Parameters
    ----------
    program : str
        The file.
    attach, workload : iterable of str, optional
        As for ``ebpf-overhead measure``.

    Raises
    ------
    OverheadError
        The file is not there, or holds no program.
    """
    cases = cases_named(attach, [program], workload)
    asked = [(_of_case(case), (case.open_to or (case.workload,))[0].name, case) for case in cases]
    named = _by_name(asked)
    return [_of_case(c) if _of_case(c) in named else f"{_of_case(c)}, {w}" for _, w, c in asked]


def _by_name(found: Iterable[tuple[str, str, _Row]]) -> dict[str, _Row]:
    """Return what was found by name and workload, and by name alone where that is enough."""
    every = list(found)
    count = Counter(name for name, _, _ in every)
    alone = {name: row for name, _, row in every if count[name] == 1}
    return alone | {f"{name}, {workload}": row for name, workload, row in every}


def _of_case(case: Case) -> str:
    function = case.program.label if case.program.in_object else ""
    return _name(function, case.attach.name, case.co_attached.together)


def _of_row(row: Mapping[str, Any]) -> str:
    of_object = row.get("object")
    function = row["program"].removeprefix(f"{of_object}:") if of_object else ""
    return _name(function, row["attach"], bool(row.get("beside_together")))


def _name(function: str, attach: str, together: bool) -> str:
    return ALL if together else ", ".join(filter(None, [function, attach]))
