"""Which machine results of kernels belong to: counted ones are the same on every host."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from asv.commands import compare, find, run
from asv.environment import get_env_name
from asv.machine import Machine, MachineCollection, iter_machine_files
from asv.results import Results, iter_results_for_machine_and_hash
from asv.util import UserError, load_json

from ebpf_overhead.asv.merging import ARCH, is_counted, of_no_host
from ebpf_overhead.asv.workspace import Workspace


def install_without_host() -> None:
    """Have asv file counted results without what they do not depend on: the host's CPU and such.

    One series is then measured wherever CI has a machine.
    """
    run.Results = find.Results = _results({})


def install(workspace: Workspace) -> None:
    """Have asv file counted results under the machine of the committed ones.

    So a kernel that is measured here continues their series, and can be compared with them.

    Parameters
    ----------
    workspace : Workspace
        Where the committed results are.
    """
    committed = list(workspace.committed_results.glob("*/machine.json"))
    # Of several machines, none stands for all: asv asks which one to compare.
    shared = load_json(str(committed[0]), Machine.api_version) if len(committed) == 1 else {}
    shared.pop("version", None)

    def stored(results_dir: str, machine: str, commit: str) -> Iterator[Results]:
        """Yield what asv run finds stored: counted results are of no host."""
        for name in dict.fromkeys((machine, shared.get("machine", machine))):
            if Path(results_dir, name).is_dir():
                found = iter_results_for_machine_and_hash(results_dir, name, commit)
                yield from map(_as_asked_for, found)

    run.Results = find.Results = _results(shared)
    run.iter_results_for_machine_and_hash = stored
    find.Machine = _Described
    compare.iter_machine_files = _with_results


def _results(shared: Mapping[str, Any]) -> Callable[..., Results]:
    def make(params: Mapping[str, Any], *others: Any) -> Results:
        variables = others[-1]
        if not is_counted({"env_vars": variables}):
            return Results(params, *others)
        described = {**of_no_host(params), **of_no_host(shared)}
        # Of the guest, not of whoever measured it.
        described |= {"arch": variables[ARCH]} if ARCH in variables else {}
        return Results(described, *others)

    return make


def _as_asked_for(results: Results) -> Results:
    """Return results under the environment that asv asks for, which names no architecture.

    That comes with the kernel: a revision is only ever measured as what it is.
    """
    variables = {("nobuild", k): v for k, v in results.env_vars.items() if k != ARCH}
    if ARCH in results.env_vars:
        results._env_name = get_env_name("kernel", results._python, {}, variables)
    return results


def _with_results(results_dir: str) -> Iterator[str]:
    """Yield the machines that have results: asv run describes the host wherever it files them."""
    for path in iter_machine_files(results_dir):
        if len(list(Path(path).parent.glob("*.json"))) > 1:
            yield path


class _Described(Machine):
    """A machine that asv has not been told of describes itself: reading asks no questions."""

    @classmethod
    def load(cls, machine_name: str | None = None, **options: Any) -> Machine:
        try:
            MachineCollection.load(machine_name or cls.get_unique_machine_name())
        except UserError:
            machine = Machine()
            machine.__dict__.update(cls.get_defaults())
            return machine
        return super().load(machine_name=machine_name, **options)
