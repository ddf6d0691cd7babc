"""Which workload runs programs whose attach points no workload names: found by trying."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace

from ebpf_overhead.errors import OverheadError, UnsupportedError
from ebpf_overhead.hooks.cases import Case, CoAttached
from ebpf_overhead.hooks.probe import Probe, load
from ebpf_overhead.hooks.run_counter import Runs, counted
from ebpf_overhead.hooks.sections import placed
from ebpf_overhead.workload import _workload, workloads
from ebpf_overhead.workload.workloads import Workload

# Others may run the programs, too: the fewest runs of several tries are the workload's own.
_CALLS, _TRIES = 100, 5
_FEW = 4  # workloads that are named
_ELSEWHERE = "attach it where one does: --attach, --workload"


def settled(case: Case) -> Case:
    """Return a case with its workload, if it can be found; else as it is."""
    if not case.open_to:
        return case
    try:
        return exercised(case)
    except OverheadError:
        return case


def exercised(case: Case) -> Case:
    """Return a case with the first workload of ``open_to`` that runs its program.

    Of a group of programs, the workload that runs most of them; those that it does not run, or
    that cannot be loaded, are left out.  So is one that does at a place what another does there by
    BTF: a tool has both, kprobe and fentry, for kernels that lack one, and attaches one.

    Raises
    ------
    UnsupportedError
        None does, or none runs two of a group.
    OverheadError
        The program cannot be loaded or attached.
    """
    members = [*case.co_attached.cases, replace(case, co_attached=CoAttached())]
    with ExitStack() as opened:
        probes = _attached(members, opened)
        best: tuple[Workload, list[int]] | None = None
        for workload in case.open_to:
            with suppress(UnsupportedError):
                workloads.require(workload)
                found = _runs_per_call(probes, workload)
                if best is None or _running(found) > _running(best[1]):
                    best = workload, found
    if best is None or _running(best[1]) < min(len(members), 2):
        raise _none(case, probes, best)
    workload, found = best
    run = [
        _with(probe.case, workload, runs) for probe, runs in zip(probes, found, strict=True) if runs
    ]
    named = replace(run[-1].program, name=case.program.name)
    return replace(run[-1], program=named, co_attached=CoAttached(tuple(run[:-1]), len(run) > 1))


def _attached(members: list[Case], opened: ExitStack) -> list[Probe]:
    """Return the probes of cases, attached; of a group those that can be and that a tool would."""
    probes: list[Probe] = []
    last = None
    for member in sorted(members, key=lambda each: not each.attach.by_btf):
        if any(_instead_of(each.case, member) for each in probes):
            continue
        try:
            probe = opened.enter_context(load(member))
            probe.attach()
            probes.append(probe)
        except OverheadError as error:
            last = error
    if last and not probes:
        raise last
    return sorted(probes, key=lambda each: members.index(each.case))


def _instead_of(by_btf: Case, other: Case) -> bool:
    """Whether a program that is attached by BTF does what another one does without."""
    return (
        by_btf.attach.by_btf
        and not other.attach.by_btf
        and by_btf.attach.moment == other.attach.moment
        and not set(by_btf.points).isdisjoint(other.points)
    )


def _none(
    case: Case, probes: list[Probe], best: tuple[Workload, list[int]] | None
) -> UnsupportedError:
    names = [each.name for each in case.open_to]
    tried = ", ".join(names) if len(names) <= _FEW else f"all {len(names)} were tried"
    if case.co_attached.cases:
        name, counts = case.program.name, best[1] if best else []
        for probe, runs in zip(probes, counts, strict=False):
            if best and runs:
                return UnsupportedError(
                    f"no workload runs two of the programs of {name}, and {best[0].name} runs"
                    f" {probe.case.program.function}",
                    "it is measured alone",
                )
        return UnsupportedError(f"no workload runs any program of {name} ({tried})", _ELSEWHERE)
    return UnsupportedError(
        f"no workload runs {case.attach.name}:{probes[0].hook} ({tried})", _ELSEWHERE
    )


def _running(found: list[int]) -> int:
    return sum(1 for runs in found if runs)


def _runs_per_call(probes: list[Probe], workload: Workload) -> list[int]:
    calls = min(_CALLS, workload.checked_calls)
    with ExitStack() as stack:
        counts = [stack.enter_context(counted(each)) for each in probes]
        found = [list(_runs(counts, workload, calls))]
        if max(found[0], default=0) >= calls:  # else it runs none
            found += [list(_runs(counts, workload, calls)) for _ in range(1, _TRIES)]
    return [min(tries) // calls for tries in zip(*found, strict=True)]


def _runs(counts: list[Callable[[], Runs]], workload: Workload, calls: int) -> Iterator[int]:
    before = [runs() for runs in counts]
    _workload.run(workload.name, calls)
    for runs, count in zip(counts, before, strict=True):
        yield runs().since(count).called


def _with(case: Case, workload: Workload, runs: int) -> Case:
    """Return a case with its workload: the runs per call are known where that names the point."""
    its_own = placed(case.program.section).workloads
    # A hook of all system calls sees those of any workload, and what others did meanwhile.
    of_all = case.attach.system_wide and its_own and workload.times
    known = workload in its_own or bool(of_all)
    return replace(case, workload=workload, runs=None if known else runs, open_to=())
