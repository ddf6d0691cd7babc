"""One of two results that are compared: its numbers, and what they rest on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from ebpf_overhead.errors import BadUseError
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.report.quantities import Quantity, quantities, reasons, without
from ebpf_overhead.report.record import Record
from ebpf_overhead.report.several_kernels import kernels

# Gives the difference of two numbers that were measured in turns; None for others.
Paired = Callable[[Quantity, Quantity], "Interval | None"]


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of two results.

    Attributes
    ----------
    name : str
        What the user called it.
    about : str
        What it is, in a line.
    basis : dict of str to str
        What its numbers rest on: clock, CPU model, architecture; unknown ones are left out.
    quantities : tuple of Quantity
        Its numbers.
    reasons : dict of tuple of str to str
        Why cases have none, by their names.
    """

    name: str
    about: str
    basis: Mapping[str, str]
    quantities: tuple[Quantity, ...]
    reasons: Mapping[tuple[str, ...], str] = field(default_factory=dict)

    @cached_property
    def numbered(self) -> dict[tuple[str, tuple[str, ...], str], Quantity]:
        """Its numbers by their keys; of several with one key, the later ones are numbered."""
        times: Counter[object] = Counter()
        found = {}
        for each in self.quantities:
            times[each.key] += 1
            if (number := times[each.key]) > 1:
                each = replace(each, of=(*each.of, f"#{number}"))
            found[each.key] = each
        return found

    def only(self, part: str) -> Side:
        """Return what has a name among those that it is of, without that name.

        Parameters
        ----------
        part : str
            The name, or what it begins with: ``6.12`` for a kernel's release.

        Raises
        ------
        BadUseError
            Nothing has it, or several names begin so.
        """
        everything = [*(each.of for each in self.quantities), *self.reasons]
        names = dict.fromkeys(name for of in everything for name in of)
        likely = [name for name in names if name.startswith(tuple(part + end for end in ".-+:"))]
        matching = [part] if part in names else likely
        if len(matching) != 1:
            raise BadUseError(
                f"{self.name} has {'nothing' if not matching else 'more than one'} called {part!r}",
                f"choose {', '.join(matching or names)}" if names else "",
            )
        (found,) = matching
        return replace(
            self,
            name=f"{self.name}:{part}",
            quantities=tuple(each.without(found) for each in self.quantities if found in each.of),
            reasons={without(of, found): why for of, why in self.reasons.items() if found in of},
        )


def nothing_paired(before: Quantity, after: Quantity) -> None:
    """Say of any two numbers that they were not measured in turns."""
    return


def of_record(record: Record, name: str) -> Side:
    """Return a record of any study or tool as a result to compare.

    Parameters
    ----------
    record : dict
        The record.
    name : str
        What the user called it.
    """
    return Side(
        name=name,
        about=_about(record),
        basis=_basis(record),
        quantities=tuple(quantities(record)),
        reasons=reasons(record),
    )


def in_turns(record: Record) -> Paired:
    """Return what gives the difference of two numbers of one record, where they took turns."""
    known = {
        (each["first"]["case"], each["second"]["case"]): Interval(**each["difference"])
        for each in record.get("differences", ())
    }

    def difference(more: Quantity, less: Quantity) -> Interval | None:
        if {more.what, less.what} != {"overhead"} or more.case is None or less.case is None:
            return None
        if found := known.get((more.case, less.case)):
            return found
        other = known.get((less.case, more.case))
        return None if other is None else -other

    return difference


def _about(record: Record) -> str:
    guest, machine = record.get("guest"), record.get("machine", {})
    cpu = (machine.get("cpu") or {}).get("model")
    where = f"guest, clock {guest.get('clock')}" if guest else cpu
    study = record.get("study", "grid")
    what = "measure" if study == "grid" else study
    # Tools had no machine in their records at first.
    releases = kernels({"cases": [], **record}) if machine else [str(record.get("kernel"))]
    return ", ".join(filter(None, (what, f"Linux {' and '.join(releases)}", where)))


def _basis(record: Record) -> dict[str, str]:
    guest, machine = record.get("guest") or {}, record.get("machine") or {}
    clock = guest.get("clock", "wall")
    # Under icount the host does not matter.
    host = (machine.get("cpu") or {}).get("model")
    cpu = str(guest.get("cpu_model", "")).partition(",")[0] if clock == "icount" else host
    found = {
        "clock": clock,
        "accelerator": guest.get("accel"),
        "CPU": cpu,
        "QEMU": guest.get("qemu_version"),
        "command line": guest.get("kernel_command_line"),
        "architecture": (machine.get("kernel") or {}).get("architecture"),
    }
    return {name: str(value) for name, value in found.items() if value}
