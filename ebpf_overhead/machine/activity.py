"""What the CPUs do: their time, interrupts and throttling, as the kernel counts them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ebpf_overhead.machine.tree import Tree
from ebpf_overhead.reading import cpu_numbers

_CPUS = "sys/devices/system/cpu"


@dataclass(frozen=True)
class Ticks:
    """Time of a CPU, or of several, in ticks of 10 ms.

    Attributes
    ----------
    busy : int
        Spent in tasks and interrupts.
    stolen : int
        Given to others by the hypervisor.
    total : int
        All of it.
    """

    busy: int = 0
    stolen: int = 0
    total: int = 0

    def __add__(self, other: Ticks) -> Ticks:
        return Ticks(self.busy + other.busy, self.stolen + other.stolen, self.total + other.total)

    def __sub__(self, other: Ticks) -> Ticks:
        return Ticks(self.busy - other.busy, self.stolen - other.stolen, self.total - other.total)

    @property
    def busy_share(self) -> float:
        """Share of the time that was spent in tasks and interrupts, 0..1."""
        return self.busy / self.total if self.total else 0.0

    @property
    def stolen_share(self) -> float:
        """Share of the time that the hypervisor gave to others, 0..1."""
        return self.stolen / self.total if self.total else 0.0


def ticks(tree: Tree) -> dict[int, Ticks]:
    """Return the time of each CPU since boot; empty where the kernel does not say."""
    # cpuN user nice system idle iowait irq softirq steal guest guest_nice (proc(5)); the last two
    # are part of the first two.
    found = {}
    for number, line in re.findall(
        r"^cpu(\d+) ((?:\d+ ){7}\d+)", tree.text("proc/stat") or "", re.MULTILINE
    ):
        user, nice, system, idle, iowait, irq, softirq, stolen = map(int, line.split())
        busy = user + nice + system + irq + softirq
        found[int(number)] = Ticks(busy, stolen, busy + idle + iowait + stolen)
    return found


def together(of_cpus: Mapping[int, Ticks], cpus: Iterable[int]) -> Ticks:
    """Return the time of several CPUs."""
    return sum((of_cpus[cpu] for cpu in cpus if cpu in of_cpus), Ticks())


def interrupts(tree: Tree, cpu: int) -> int | None:
    """Return how many interrupts a CPU has had since boot; None where the kernel does not say."""
    head, *lines = (tree.text("proc/interrupts") or "").splitlines() or [""]
    columns = head.split()
    if f"CPU{cpu}" not in columns:
        return None
    at = 1 + columns.index(f"CPU{cpu}")
    # Rows that are not of single CPUs, such as ERR, are shorter.
    rows = [line.split() for line in lines]
    return sum(int(row[at]) for row in rows if len(row) > len(columns) and row[at].isdigit())


def throttled(tree: Tree, cpu: int) -> int | None:
    """Return how often heat slowed a CPU down since boot; None where nothing counts that."""
    directory = f"{_CPUS}/cpu{cpu}/thermal_throttle"
    counts = [tree.integer(f"{directory}/{kind}_throttle_count") for kind in ("core", "package")]
    known = [each for each in counts if each is not None]
    return sum(known) if known else None


def siblings(tree: Tree, cpu: int) -> set[int]:
    """Return the other logical CPUs of the same core."""
    listed = tree.text(f"{_CPUS}/cpu{cpu}/topology/thread_siblings_list")
    return set(cpu_numbers(listed or "")) - {cpu}


def isolated(tree: Tree) -> set[int]:
    """Return the CPUs that are kept free of the scheduler."""
    return set(cpu_numbers(tree.text(f"{_CPUS}/isolated") or ""))


def quietest(allowed: Iterable[int], before: Mapping[int, Ticks], tree: Tree) -> int:
    """Return the CPU on which the least happens.

    An isolated one comes first.  Else it is the last, because the first ones serve most
    interrupts, unless another one and its siblings were clearly less busy.

    Parameters
    ----------
    allowed : iterable of int
        Those to choose from.
    before : mapping of int to Ticks
        What `ticks` said a moment ago.
    tree : Tree
        Where to read.
    """
    cpus = sorted(allowed)
    cpus = [cpu for cpu in cpus if cpu in isolated(tree)] or cpus
    spent = {cpu: now - before.get(cpu, now) for cpu, now in ticks(tree).items()}

    def busy(cpu: int) -> int:
        core = {cpu} | siblings(tree, cpu)
        return sum(spent[each].busy + spent[each].stolen for each in core if each in spent)

    least = min(map(busy, cpus))
    return max(cpu for cpu in cpus if busy(cpu) <= least + _NOTHING_TICKS)


# So little that it says nothing about who is busy: a tick may fall on anybody.
_NOTHING_TICKS = 2
