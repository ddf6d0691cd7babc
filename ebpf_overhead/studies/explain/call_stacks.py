"""The stack of every instruction that was stepped through, without frame pointers.

A call pushes the address it comes back to.  So an instruction that is not the next one, with a
lower stack pointer, begins a function; a higher one than that with which a function began has left
it.  Interrupts, traps and the entry of the kernel change to another stack.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ebpf_overhead.guest.debugger import Stop
from ebpf_overhead.studies.explain.stepping import in_kernel
from ebpf_overhead.tools.profile.stacks import Frame, Stacks

USER = Frame("user space", in_kernel=False)
# The longest instruction of x86-64.
_INSTRUCTION_BYTES = 15
# Stacks of the kernel are at least this far apart, and no function's frame is as large.
_STACK_BYTES = 8192


@dataclass
class _Function:
    name: str
    # With which it began: the address it comes back to lies there.
    sp: int


@dataclass
class _CallStack:
    """Functions that have not returned, on one stack after the other."""

    stacks: list[list[_Function]] = field(default_factory=list)
    sp: int = 0
    pc: int = 0

    def take(self, place: Stop, name: str) -> None:
        """Go on to a place in the kernel."""
        if not self.stacks or abs(place.sp - self.sp) > _STACK_BYTES:
            self._change_stack(place.sp, name)
        elif place.sp < self.sp and not 0 < place.pc - self.pc <= _INSTRUCTION_BYTES:
            self.stacks[-1].append(_Function(name, place.sp))
        functions = self.stacks[-1]
        while len(functions) > 1 and place.sp > functions[-1].sp:
            functions.pop()
        functions[-1].name = name  # Also where one jumps to another instead of calling it.
        self.pc, self.sp = place

    def leave(self) -> None:
        """Go on in user space."""
        self.stacks.clear()

    def _change_stack(self, sp: int, name: str) -> None:
        if self.stacks and len(self.stacks[-1]) == 1 and self.stacks[-1][0].name == name:
            self.stacks[-1][0].sp = sp  # The kernel's entry, which leaves the stack of the caller.
            return
        for depth, functions in enumerate(self.stacks):
            if abs(functions[-1].sp - sp) <= _STACK_BYTES:
                del self.stacks[depth + 1 :]
                return
        self.stacks.append([_Function(name, sp)])

    def frames(self) -> tuple[Frame, ...]:
        names = (each.name for functions in self.stacks for each in functions)
        return (USER, *(Frame(name, in_kernel=True) for name in names))


def call_stacks(places: Sequence[Stop], name_of: Callable[[int], str]) -> Stacks:
    """Return how many instructions were executed with each stack.

    Parameters
    ----------
    places : sequence of Stop
        One call, in the order of execution; it begins in user space.
    name_of : callable
        Returns the function of the kernel that an address lies in.
    """
    found: Stacks = Counter()
    stack = _CallStack()
    for place in places:
        if not in_kernel(place.pc):
            stack.leave()
            found[(USER,)] += 1
            continue
        stack.take(place, name_of(place.pc))
        found[stack.frames()] += 1
    return found
