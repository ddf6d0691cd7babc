"""How many system calls take the slow path, as far as the runs of programs tell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from ebpf_overhead.hooks.attach_types import GROUPS
from ebpf_overhead.tools.top.attachments import Attachment

# The two ends of every system call, as tracepoints begin that are there.
ENDS = "sys_enter", "sys_exit"


def on_system_calls(hook: Attachment) -> bool:
    """Whether a hook puts all system calls on the slow path."""
    return hook.attach in GROUPS["tracepoints"] and hook.target.startswith(ENDS)


def runs_for_all(hook: Attachment) -> bool:
    """Whether a hook's program runs once per system call."""
    return on_system_calls(hook) and hook.target in ENDS


def traced_per_s(running: Iterable[tuple[float, Collection[Attachment]]]) -> float | None:
    """Return a lower bound of the system calls on the slow path; None if none is traced.

    A program that runs for all system calls gives the exact number.  Without one, only those that
    ran some program are counted: calls of different names are different calls.

    Parameters
    ----------
    running : iterable of (float, collection of Attachment)
        Runs per second of each program, and its hooks.
    """
    for_all, several = [], []
    by_name: dict[str, float] = defaultdict(float)
    for runs_per_s, hooks in running:
        tracing = [hook for hook in hooks if on_system_calls(hook)]
        if not tracing or len(tracing) < len(hooks):
            several += [0.0] * bool(tracing)
            continue
        # A call runs a program at both of its ends twice.
        calls_per_s = runs_per_s / len({hook.target.startswith(ENDS[0]) for hook in tracing})
        if all(map(runs_for_all, tracing)):
            for_all.append(calls_per_s)
        elif len(names := {call_of(hook) for hook in tracing}) == 1:
            (name,) = names
            by_name[name] = max(by_name[name], calls_per_s)
        else:
            several.append(calls_per_s)
    if for_all:
        return max(for_all)
    return max([*several, *([sum(by_name.values())] if by_name else [])], default=None)


def call_of(hook: Attachment) -> str:
    """Return the name of the system call that a hook traces; empty for all."""
    name = hook.target.removeprefix(ENDS[0]).removeprefix(ENDS[1])
    return name.removeprefix("_")
