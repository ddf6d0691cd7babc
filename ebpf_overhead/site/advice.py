"""Which attach type to choose, in three lines, from what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ebpf_overhead.hooks.attach_type import AttachType
from ebpf_overhead.hooks.attach_types import ATTACH_TYPES


def advice(overheads: Mapping[str, float], unit: str) -> Iterator[str]:
    """Yield what to choose for one function, without what that needs, and for all system calls.

    Parameters
    ----------
    overheads : mapping of str to float
        Attach type -> what it adds to a call with an empty program, all on one workload.
    unit : str
        Of these numbers, per call.
    """
    known = [ATTACH_TYPES[name] for name in overheads if name in ATTACH_TYPES]
    at_entry = sorted(
        (each for each in known if each.moment == "entry"), key=lambda each: overheads[each.name]
    )
    of_one = [each for each in at_entry if not each.system_wide]
    of_all = [each for each in at_entry if each.system_wide]

    def cost(each: AttachType) -> str:
        return f"`{each.name}`, {overheads[each.name]:+.0f} {unit} per call"

    if of_one:
        best = of_one[0]
        yield (
            f"One function or system call: {cost(best)}, the cheapest of the {len(of_one)} measured"
            f" here that run at its entry."
        )
        others = [each for each in of_one if each.group != best.group and each.needs != best.needs]
        if others:
            times = overheads[others[0].name] / overheads[best.name]
            yield (
                f"Where the kernel lacks what it needs ({best.needs}): {cost(others[0])},"
                f" {times:.1f} times as much."
            )
    if of_all:
        yield (
            f"Every system call: {cost(of_all[0])}. All calls of all processes pay it, so take it"
            " only to see them all."
        )
