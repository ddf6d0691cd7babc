"""What libbpf could not relocate: which type and which field of it this kernel does not have.

libbpf replaces such an instruction by a call of a function that does not exist.  The kernel
rejects the program only if it can get there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ebpf_overhead.errors import OverheadError, UnsupportedError

# Of relo_core.c: the number of the function that does not exist.
_NO_FUNCTION = "195896080"
_RELOCATION = re.compile(r"prog '(?P<program>.*)': relo #(?P<number>\d+): (?P<said>.*)")
_ASKED = re.compile(r"<\w+> \[\d+\] (?P<what>.*?)(?: \(.*\))?")
_REPLACED = re.compile(r"substituting insn #(\d+) w/ invalid insn")
_REACHED = re.compile(rf"^(\d+): \(85\) call .*{_NO_FUNCTION}", re.MULTILINE)
# Behind the name of a type: what tells a variant of it, and what of it is asked for.
_PARTS = re.compile(r"(?P<type>(?:\w+ )?\w+?)(?:___\w+)?(?P<member>(?:\.|::|\[).*)?")


class Unresolved(NamedTuple):
    """An instruction that libbpf could not relocate.

    Attributes
    ----------
    instruction : int
        Its number in the program.
    lack : str
        What the kernel lacks.
    """

    instruction: int
    lack: str


def unresolved(notes: Iterable[str]) -> dict[str, list[Unresolved]]:
    """Return, by program, what libbpf said that it could not relocate."""
    found: dict[str, list[Unresolved]] = {}
    asked, alike = "", False
    for match in filter(None, map(_RELOCATION.fullmatch, notes)):
        said = match["said"]
        if wanted := _ASKED.fullmatch(said):
            asked, alike = wanted["what"], False
        elif said.startswith("non-matching candidate"):
            alike = True
        elif replaced := _REPLACED.match(said):
            rows = found.setdefault(match["program"], [])
            rows.append(Unresolved(int(replaced[1]), _lack(asked, alike)))
    return found


def explained(error: OverheadError, missing: Sequence[Unresolved], name: str) -> OverheadError:
    """Return why the kernel did not load a program, if what it lacks is the reason."""
    reached = _REACHED.findall(error.verifier_log)
    if not reached or not missing:
        return error
    lacks = {each.instruction: each.lack for each in missing}
    lack = lacks.get(int(reached[-1]), missing[0].lack)
    result = UnsupportedError(
        f"{name}: {lack}, which it uses (CO-RE)", "choose a kernel that has it: --kernel"
    )
    result.verifier_log = error.verifier_log
    return result


def _lack(asked: str, alike: bool) -> str:
    """Say what there is not; ``alike`` if there is a type of that name."""
    parts = _PARTS.fullmatch(asked)
    if parts is None:
        return f"this kernel has no {asked}"
    member = (parts["member"] or "").lstrip(".:")
    if alike and member:
        return f"this kernel's {parts['type']} has no {member}"
    return f"this kernel has no {parts['type']}"
