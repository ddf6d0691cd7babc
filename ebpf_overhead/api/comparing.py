"""Any two results that there are, by what people call them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ebpf_overhead.api.reading import read
from ebpf_overhead.asv import suite
from ebpf_overhead.asv.choosing import Meant, Results, best_pair
from ebpf_overhead.errors import BadUseError
from ebpf_overhead.reading import naming
from ebpf_overhead.report import comparison
from ebpf_overhead.report.comparison import Comparison
from ebpf_overhead.report.record import Record
from ebpf_overhead.report.side import Side, in_turns, nothing_paired, of_record

KERNELS = suite.CONFIGURATION
PROJECT = Path("asv.conf.json")

# Files that are a program, and not what one costs.
_PROGRAMS = (".c", ".o", ".bt", ".py")


def compare(
    before: str | Path | Record,
    after: str | Path | Record,
    *,
    anyway: bool = False,
    kernels: Path = KERNELS,
    project: Path = PROJECT,
) -> Comparison:
    """Compare two results, number by number.

    Parameters
    ----------
    before, after : str, path or dict
        A record; a JSON file that a command wrote; a kernel by its release, version or series
        (``6.12``); a commit, an environment or a machine of which asv has results.  ``NAME:PART``
        is what of it has a name: a program, an attach type, a kernel.
    anyway : bool, optional
        Whether to compare although machines, CPU models or versions of QEMU differ.
    kernels, project : path, optional
        asv's configurations, beside which results are.

    Returns
    -------
    Comparison
        The rows that both have, with the verdict on each, and what only one has.

    Raises
    ------
    BadUseError
        There is no such result, or the two mean different things.
    """
    first, second = _named(before, "before"), _named(after, "after")
    if first.record is not None and first.source == second.source:
        second.record = first.record
    # Only names ask for asv's store: a record is compared anywhere.
    stored = None
    if first.record is None or second.record is None:
        stored = Results(suite.configuration(kernels), project)
    old, new = (
        None if each.record is not None or stored is None else stored.meant(each.word)
        for each in (first, second)
    )
    one_record = first.record is not None and first.record is second.record
    paired = in_turns(first.record) if one_record and first.record else nothing_paired
    sides = _sides(first, old, second, new)
    return comparison.compare(*sides, anyway=anyway, paired=paired)


@dataclass
class _Named:
    """What a word names: a record, or results that asv stored; and what part of it."""

    word: str
    part: str = ""
    source: object = None
    record: Record | None = None

    def side(self, found: Side) -> Side:
        return found.only(self.part) if self.part else found


def _named(what: str | Path | Record, name: str) -> _Named:
    if isinstance(what, dict):
        return _Named(name, source=id(what), record=what)
    head, _, part = str(what).rpartition(":")
    for word, its_part in ((str(what), ""), (head, part)):
        path = Path(word)
        if word and (path.is_file() or path.suffix == ".json"):
            if path.suffix in _PROGRAMS:
                raise BadUseError(
                    f"{word} is a program, and no result",
                    "ebpf-overhead measure --program OLD --program NEW measures two and their"
                    " difference",
                )
            return _Named(path.name, its_part, path.absolute(), read(path))
    return _Named(head, part) if head else _Named(str(what))


def _sides(
    first: _Named, old: Meant | None, second: _Named, new: Meant | None
) -> tuple[Side, Side]:
    if old is not None and new is not None:
        a, b = best_pair(old, new)
        return first.side(a.called(old.name)), second.side(b.called(new.name))
    return _side(first, old, second), _side(second, new, first)


def _side(named: _Named, meant: Meant | None, other: _Named) -> Side:
    if named.record is not None:
        with naming(named.word, error=BadUseError, remedy="its values contradict each other"):
            return named.side(of_record(named.record, named.word))
    assert meant is not None
    clock = ((other.record or {}).get("guest") or {}).get("clock", "wall")
    chosen = max(meant.results, key=lambda each: (each.clock == clock, each.measured_at))
    return named.side(chosen.called(meant.name))
