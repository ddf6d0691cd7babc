"""Which machine results of kernels belong to: counted ones are the same on every host."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import copy
from pathlib import Path
from typing import Any

from asv.commands import compare, find, run
from asv.environment import get_env_name
from asv.machine import Machine, MachineCollection, iter_machine_files
from asv.results import Results, iter_results_for_machine_and_hash
from asv.util import UserError, load_json

from ebpf_overhead.architectures import title
from ebpf_overhead.asv.merging import is_counted, of_no_host
from ebpf_overhead.asv.workspace import Workspace
from ebpf_overhead.guest.variants import USUAL_CPUS

_CPU = ("nobuild", "CPU")


def install_without_host() -> None:
    """Have asv file counted results without what they do not depend on: the host's CPU and such.

    One series is then measured wherever CI has a machine.
    """
    run.Results = find.Results = _results({}, lambda _: {})


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

    def guest(commit: str) -> dict[str, str]:
        record = workspace.history.records().get(commit)
        return {} if record is None else {"arch": title(record.arch)}

    def stored(results_dir: str, machine: str, commit: str) -> Iterator[Results]:
        """Yield what asv run finds stored: counted results are of no host."""
        for name in dict.fromkeys((machine, shared.get("machine", machine))):
            if Path(results_dir, name).is_dir():
                for found in iter_results_for_machine_and_hash(results_dir, name, commit):
                    yield from _under_all_names(found)

    run.Results = find.Results = _results(shared, guest)
    run.iter_results_for_machine_and_hash = stored
    find.Machine = _Described
    compare.iter_machine_files = _with_results


def _results(
    shared: Mapping[str, Any], guest: Callable[[str], dict[str, str]]
) -> Callable[..., Results]:
    """Return what makes results; `guest` says of a commit what is known of its guest."""

    def make(params: Mapping[str, Any], *others: Any) -> Results:
        variables = others[-1]
        if not is_counted({"env_vars": variables}):
            return Results(params, *others)
        # Of the guest, not of whoever measured it.
        facts = {**of_no_host(params), **of_no_host(shared), **guest(str(others[1]))}
        return Results(facts, *others)

    return make


def _under_all_names(results: Results) -> Iterator[Results]:
    """Yield results once under each environment that asv may ask for.

    Its environment has the name of the kernel before.  The architecture comes with the kernel, so
    a revision is only ever measured as what it is.
    """
    variables = {("nobuild", name): value for name, value in results.env_vars.items()}
    if variables.get(_CPU) not in USUAL_CPUS:
        yield results
        return
    for cpu in USUAL_CPUS:
        named = copy(results)
        named._env_name = get_env_name("kernel", results._python, {}, {**variables, _CPU: cpu})
        yield named


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
