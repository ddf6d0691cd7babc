"""What probes cost on every kernel of the history, from the results that asv stored."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from ebpf_overhead.cases import ATTACH_TYPES, STANDARD_PROGRAMS
from ebpf_overhead.errors import BadUseError, FailedError
from ebpf_overhead.kernels.history import History
from ebpf_overhead.kernels.versions import upstream, version_key
from ebpf_overhead.report.asv_results import (
    by_parameters,
    measured_at,
    results_folder,
    stored_results,
)

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
    """

    commit: str
    release: str
    version: str


@dataclass(frozen=True)
class KernelCosts:
    """What was measured on one kernel, in instructions per call of getpid.

    Attributes
    ----------
    kernel : NamedKernel
        The kernel.
    unprobed : float
        The call with nothing attached.
    overhead : dict
        (attach type, program) -> what the probe adds; None where there is no result.
    """

    kernel: NamedKernel
    unprobed: float
    overhead: Mapping[Row, float | None]

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


def names_path(conf_path: Path) -> Path:
    """Return the file that names the kernels of stored results: beside the results' folder.

    asv files results by commit.  The kernel history knows the commits of the kernels that
    are on this machine; this file, kept with the results, those of all that were measured.

    Parameters
    ----------
    conf_path : Path
        asv's configuration for kernels.
    """
    return results_folder(conf_path).with_suffix(".json")


def known_kernels(path: Path, history: History) -> list[NamedKernel]:
    """Return the kernels that a file names and those on this machine, in version order.

    Parameters
    ----------
    path : Path
        The file of `names_path`; need not be there.
    history : History
        The kernels on this machine.

    Raises
    ------
    FailedError
        The file is damaged.
    """
    found = {kernel.commit: kernel for kernel in _read_names(path)}
    for release, commit in history.hashes().items():
        found[commit] = NamedKernel(commit, release, history.record(release).version)
    return sorted(found.values(), key=lambda kernel: version_key(kernel.version))


def _read_names(path: Path) -> list[NamedKernel]:
    if not path.exists():
        return []
    try:
        return [NamedKernel(**kernel) for kernel in json.loads(path.read_text())]
    except (TypeError, ValueError) as error:
        raise FailedError(f"{path} cannot be read: {error}", "restore it, with git") from error


def keep_names(conf_path: Path, history: History) -> None:
    """Write the names of all kernels with results, for machines that do not have them.

    Parameters
    ----------
    conf_path : Path
        asv's configuration for kernels.
    history : History
        The kernels on this machine.
    """
    path = names_path(conf_path)
    measured = _newest(conf_path)
    kernels = [each for each in known_kernels(path, history) if each.commit in measured]
    if kernels:
        lines = ",\n".join(f" {json.dumps(asdict(kernel))}" for kernel in kernels)
        path.write_text(f"[\n{lines}\n]\n")


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
    newest = _newest(conf_path)
    found = [_costs(newest[each.commit], each) for each in kernels if each.commit in newest]
    if not found:
        raise BadUseError(f"no results of kernels beside {conf_path}", "make kernels")
    return found


def _newest(conf_path: Path) -> dict[str, Any]:
    """Return each kernel's newest result of the clock that counts, by commit."""
    newest: dict[str, Any] = {}
    for result in sorted(stored_results(conf_path), key=measured_at):
        keys = result.get_all_result_keys()
        if result.env_vars.get("CLOCK") == "icount" and _OVERHEADS[0] in keys:
            newest[result.commit_hash] = result
    return newest


def _costs(result: Any, kernel: NamedKernel) -> KernelCosts:
    unprobed = [each["value"] for each in by_parameters(result, _BASELINE).values() if each]
    overhead = {
        row: each["value"] if each else None
        for name in _OVERHEADS
        for row, each in by_parameters(result, name).items()
    }
    return KernelCosts(kernel, median(unprobed), overhead)


def attach_types(kernels: Iterable[KernelCosts]) -> list[str]:
    """Return the attach types that any kernel has rows of, in the catalogue's order."""
    found = {attach for each in kernels for attach, _ in each.overhead}
    return [name for name in ATTACH_TYPES if name in found]


def steps(kernels: Sequence[KernelCosts], least: float) -> Iterator[Step]:
    """Yield where neighbouring kernels differ by more than a share in any program.

    Parameters
    ----------
    kernels : sequence of KernelCosts
        In the order of the history.
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
