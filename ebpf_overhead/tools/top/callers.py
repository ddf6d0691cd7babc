"""Who passes the hooks of programs: processes and cgroups, counted by probes beside them."""

from __future__ import annotations

import os
import struct
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

from ebpf_overhead.bpf import map_entries, maps
from ebpf_overhead.closing import Closing
from ebpf_overhead.errors import OverheadError
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.hooks.attach_type import FUNCTION, SYSCALL, TRACEPOINT, USER
from ebpf_overhead.hooks.attach_types import ALL_CALLS, GROUPS, like
from ebpf_overhead.hooks.hook import Hook, Site, attach
from ebpf_overhead.programs.loaded import load_code
from ebpf_overhead.programs.program_object import Constant
from ebpf_overhead.tools.estimate.places import Place
from ebpf_overhead.tools.top.attachments import Attachment
from ebpf_overhead.tools.top.cgroups import cgroup_paths
from ebpf_overhead.tools.top.holders import command_of
from ebpf_overhead.tools.top.inventory import ProgramDetails
from ebpf_overhead.tools.top.system_calls import call_of, on_system_calls
from ebpf_overhead.tools.tracers import compiled_tracer

_KEY, _COUNT = struct.Struct("=QII"), struct.Struct("=Q")  # struct caller of callers.c
# So many callers are named, if their part is not next to nothing.
_SHOWN, _LEAST = 3, 0.01


@dataclass(frozen=True)
class HookCaller:
    """A process that passed the hooks of a program.

    Attributes
    ----------
    pid : int
        Its id; 0 where it was the kernel, at rest.
    comm : str
        Its command name; ``?`` if it has ended.
    cgroup : str
        Path of its cgroup; empty where that is not known.
    share : float
        Its part of all that passed them meanwhile, 0..1.
    """

    pid: int
    comm: str
    cgroup: str
    share: float

    def __str__(self) -> str:
        where = f" in {self.cgroup}" if self.cgroup.strip("/") else ""
        return f"{self.comm} {self.pid}{where} {100 * self.share:.0f} %"


class CallerCounts(Closing):
    """Probes that count who passes the hooks of others' programs; closing it detaches them."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._compiled = compiled_tracer("callers", ["callers"], {Constant("TARGET"): 0})
        self._numbers: dict[Attachment, int] = {}
        self._before: Counter[tuple[int, int, int]] = Counter()
        self._refused: dict[Attachment, str] = {}

    def close(self) -> None:
        """Detach the probes; may be called again."""
        self._stack.close()

    def look(self, details: Mapping[int, ProgramDetails]) -> dict[int, list[HookCaller]]:
        """Return who passed the hooks of each program since the last look, the first ones first.

        Hooks that are new are counted from now on.
        """
        others = {number: each for number, each in details.items() if not _is_ours(each)}
        now = self._read()
        passed = now - self._before
        self._before = now
        paths = cgroup_paths() if passed else {}
        found = {}
        for number, each in others.items():
            hooks = map(_counted, each.attachments)
            numbers = {self._numbers[hook] for hook in hooks if hook in self._numbers}
            found[number] = list(_callers(passed, numbers, paths))
        self._count({_counted(hook) for each in others.values() for hook in each.attachments})
        return {number: callers for number, callers in found.items() if callers}

    def doubts(self) -> list[str]:
        """Return what was not counted, one line each."""
        by_reason: dict[str, list[str]] = defaultdict(list)
        for hook, reason in self._refused.items():
            by_reason[reason].append(str(hook))
        found = [f"who passes {', '.join(hooks)}: {why}" for why, hooks in by_reason.items()]
        lost = _COUNT.unpack(maps.lookup(self._compiled.maps.fds["lost"], 0))[0]
        if lost:
            found.append(f"{lost:,} passes were not counted: there were too many callers")
        return found

    def _count(self, hooks: set[Attachment]) -> None:
        for hook in hooks - self._numbers.keys() - self._refused.keys():
            try:
                probe = self._attached(hook, len(self._numbers))
            except OverheadError as error:
                self._refused[hook] = str(error)
            else:
                self._stack.callback(probe.close)
                self._numbers[hook] = len(self._numbers)

    def _attached(self, hook: Attachment, number: int) -> Hook:
        code = self._compiled.code("callers", TARGET=number)
        failed = OverheadError("nothing here counts what passes such a hook", "")
        for site in _sites(hook):
            try:
                return attach(site, partial(load_code, code, "callers"))
            except OverheadError as error:
                failed = error
        raise failed

    def _read(self) -> Counter[tuple[int, int, int]]:
        table = self._compiled.maps.fds["passed"]
        keys, values = map_entries.entries(table, maps.dimensions(table))
        counts = (count for (count,) in _COUNT.iter_unpack(values))
        return Counter(dict(zip(_KEY.iter_unpack(keys), counts, strict=True)))


def _is_ours(details: ProgramDetails) -> bool:
    return os.getpid() in [process.pid for process in details.processes]


def _callers(
    passed: Counter[tuple[int, int, int]], numbers: set[int], paths: Mapping[int, str]
) -> Iterator[HookCaller]:
    """Yield who passed some hooks most often."""
    of_hooks: Counter[tuple[int, int]] = Counter()
    for (cgroup, pid, number), count in passed.items():
        if number in numbers:
            of_hooks[cgroup, pid] += count
    whole = of_hooks.total()
    for (cgroup, pid), count in of_hooks.most_common(_SHOWN):
        if count >= _LEAST * whole:
            yield HookCaller(pid, command_of(pid), paths.get(cgroup, ""), count / whole)


def _counted(hook: Attachment) -> Attachment:
    """Return the hook that is counted for another: calls begin as often as they end."""
    name = call_of(hook) if on_system_calls(hook) else ""
    return replace(hook, target=f"sys_enter_{name}") if name else hook


def _sites(hook: Attachment) -> list[Site]:
    """Return the hooks that are passed as often as another one, cheapest first."""
    if on_system_calls(hook):
        call = call_of(hook)
        if not call:
            return [Site(ALL_CALLS, AttachPoint(hook.target))]
        return Place(SYSCALL, call).counting_sites()
    kind = like(hook.attach, hook.target)
    if kind is None or USER in kind.serves or kind.group in ("uprobes", "network"):
        return []
    if kind.name in GROUPS["tracepoints"]:
        return Place(TRACEPOINT, hook.target).counting_sites()
    return Place(FUNCTION, hook.target.partition("+")[0]).counting_sites()
