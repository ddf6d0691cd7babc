"""What probes cost on every kernel of the history, from the results that asv stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from ebpf_overhead.architectures import X86_64, title
from ebpf_overhead.asv import stored
from ebpf_overhead.asv.stored import Reasons
from ebpf_overhead.errors import BadUseError
from ebpf_overhead.hooks.cases import ATTACH_TYPES, STANDARD_PROGRAMS
from ebpf_overhead.kernels.history import History
from ebpf_overhead.kernels.versions import upstream

_BASELINE = "getpid.Instructions.track_baseline"
# Both have the parameters attach type and program; the first one's rows are the standard ones.
_OVERHEADS = ("getpid.Instructions.track_overhead", "tracepoints.Instructions.track_overhead")

# Attach type and program.
Row = tuple[str, ...]


@dataclass(frozen=True)
class NamedKernel:
    """A kernel and the commit of the kernel history under which asv files its results.

    Attributes
    ----------
    commit, release, version : str
        As in the kernel history.
    architecture : str
        As people call it: ``x86_64``, ``arm64``.
    """

    commit: str
    release: str
    version: str
    architecture: str = X86_64.name


@dataclass(frozen=True)
class KernelCosts:
    """What was measured on one kernel, in instructions per call of getpid.

    Attributes
    ----------
    kernel : NamedKernel
        The kernel.
    unprobed : float or None
        The call with nothing attached; None where nothing was measured.
    overhead : dict
        (attach type, program) -> what the probe adds; None where there is no result.
    reasons : dict
        (attach type, program) -> why there is no result, where that is stored.
    """

    kernel: NamedKernel
    unprobed: float | None
    overhead: Mapping[Row, float | None]
    reasons: Mapping[Row, str]

    @property
    def label(self) -> str:
        """Return the kernel's version without the distribution's part, ``6.1.192``."""
        return upstream(self.kernel.version)


@dataclass(frozen=True)
class Step:
    """An attach type that costs something else on a kernel than on the one before.

    Attributes
    ----------
    before, after : KernelCosts
        Neighbouring kernels.
    attach : str
        Attach type.
    changes : tuple of (float or None)
        Relative change of each standard program; None where either kernel has no result.
    """

    before: KernelCosts
    after: KernelCosts
    attach: str
    changes: tuple[float | None, ...]


def known_kernels(history: History) -> list[NamedKernel]:
    """Return the kernels of a history, in its order."""
    return [
        NamedKernel(commit, record.release, record.version, title(record.arch))
        for commit, record in history.records().items()
    ]


def of_architecture(kernels: Iterable[NamedKernel], architecture: str) -> list[NamedKernel]:
    """Return the kernels of an architecture: those of two are no series.

    Raises
    ------
    BadUseError
        There is none.
    """
    known = list(kernels)
    found = [each for each in known if each.architecture == architecture]
    if not found:
        names = ", ".join(dict.fromkeys(each.architecture for each in known)) or "no kernel at all"
        raise BadUseError(f"the history has no kernel of {architecture}, but {names}", "--arch")
    return found


def costs(conf_path: Path, kernels: Iterable[NamedKernel]) -> list[KernelCosts]:
    """Return what was measured on each of the kernels, in their order.

    Parameters
    ----------
    conf_path : Path
        asv's configuration for kernels.
    kernels : iterable of NamedKernel
        The kernels; those without results are left out.

    Raises
    ------
    BadUseError
        There are no results.
    MissingToolError
        asv is not installed.
    """
    with stored.naming_files(conf_path):
        newest = _newest(conf_path)
        found = [
            _costs(result, each, stored.reasons_of(conf_path, result))
            for each in kernels
            if (result := newest.get(each.commit))
        ]
    if not found:
        raise BadUseError(f"no results of kernels beside {conf_path}", "make kernels")
    return found


def _newest(conf_path: Path) -> dict[str, Any]:
    """Return each kernel's newest result of the clock that counts, by commit."""
    newest: dict[str, Any] = {}
    for result in sorted(stored.usual_results(conf_path), key=stored.measured_at):
        keys = result.get_all_result_keys()
        if result.env_vars.get("CLOCK") == "icount" and _OVERHEADS[0] in keys:
            newest[result.commit_hash] = result
    return newest


def _costs(result: Any, kernel: NamedKernel, reasons: Reasons) -> KernelCosts:
    unprobed = [each["value"] for each in stored.by_parameters(result, _BASELINE).values() if each]
    overhead = {
        row: each["value"] if each else None
        for name in _OVERHEADS
        for row, each in stored.by_parameters(result, name).items()
    }
    why = {tuple(row): text for (name, *row), text in reasons.items() if name in _OVERHEADS}
    return KernelCosts(kernel, median(unprobed) if unprobed else None, overhead, why)


def attach_types(kernels: Iterable[KernelCosts]) -> list[str]:
    """Return the attach types that any kernel has rows of, in the catalogue's order."""
    found = {attach for each in kernels for attach, _ in each.overhead}
    return [name for name in ATTACH_TYPES if name in found]


def steps(kernels: Sequence[KernelCosts], least: float) -> Iterator[Step]:
    """Yield where neighbouring kernels differ by more than a share in any program.

    Parameters
    ----------
    kernels : sequence of KernelCosts
        In the order of the history; of one architecture.
    least : float
        The share, 0.1 for 10 %.
    """
    for before, after in pairwise(kernels):
        for attach in attach_types(kernels):
            rows = [(attach, program) for program in STANDARD_PROGRAMS]
            changes = tuple(
                _change(before.overhead.get(row), after.overhead.get(row)) for row in rows
            )
            if any(change is not None and abs(change) > least for change in changes):
                yield Step(before, after, attach, changes)


def _change(before: float | None, after: float | None) -> float | None:
    return after / before - 1 if before and after is not None else None
