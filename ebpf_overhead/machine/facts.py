"""All facts about a machine, in one record."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ebpf_overhead.machine import bpf, cpu, host, kernel, process
from ebpf_overhead.machine.tree import Tree


@dataclass(frozen=True)
class Machine:
    """The facts about a machine, which are part of every record.

    Attributes
    ----------
    kernel : KernelFacts
        The running kernel.
    cpu : Cpu
        The CPUs.
    host : Host
        Distribution, hypervisor, container, load.
    bpf : Bpf
        BPF settings and the BPF compiler.
    process : Privileges
        The privileges of this process.
    """

    kernel: kernel.KernelFacts
    cpu: cpu.Cpu
    host: host.Host
    bpf: bpf.Bpf
    process: process.Privileges

    def as_dict(self) -> dict[str, Any]:
        """Return the facts as types of JSON: dictionaries, lists, texts, numbers, None."""
        return asdict(self, dict_factory=_json_object)


def describe(root: Path = Path("/")) -> Machine:
    """Read the facts about this machine.

    Parameters
    ----------
    root : Path
        Directory that stands for ``/``.

    Returns
    -------
    Machine
        The facts; a fact that cannot be read is None.
    """
    tree = Tree(root)
    return Machine(
        kernel=kernel.read(tree),
        cpu=cpu.read(tree),
        host=host.read(tree),
        bpf=bpf.read(tree),
        process=process.read(tree),
    )


def _json_object(items: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in items}
