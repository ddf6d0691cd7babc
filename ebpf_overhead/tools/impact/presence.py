"""Whether a tool is ready, and whether it is gone: by its BPF programs."""

from __future__ import annotations

import re
import shlex
import time
from dataclasses import dataclass

from ebpf_overhead.bpf.objects import program_ids
from ebpf_overhead.errors import FailedError
from ebpf_overhead.tools.impact.starting import StartedTool
from ebpf_overhead.tools.top.attachments import link, link_ids
from ebpf_overhead.tools.top.holders import find_holders

_POLL_S = 0.02
# So long the programs must have been the same.
_SETTLED_S = 0.5
# The kernel frees a program some grace periods after its last owner let go of it.
_GONE_S = 15.0
# So long a tool is waited for that loaded no program when it was started before.
_NONE_S = 1.0


@dataclass(frozen=True)
class Loaded:
    """What a tool has in the kernel.

    Attributes
    ----------
    programs : frozenset of int
        Ids of its programs.
    hooks : int
        Number of its links and perf events with programs.
    """

    programs: frozenset[int] = frozenset()
    hooks: int = 0


@dataclass(frozen=True)
class Patience:
    """When a tool counts as ready.

    Attributes
    ----------
    timeout_s : float
        So long it may take.
    ready : re.Pattern or None
        It is ready when a line that it writes matches this (as many lines as there are tools that
        are started together); without, when its programs have been
        the same for a while.
    expected : bool
        Whether it is waited for so long also if it loads nothing.
    needed : bool
        Whether it is a failure if it loads nothing.
    """

    timeout_s: float = 10.0
    ready: re.Pattern[str] | None = None
    expected: bool = True
    needed: bool = False


class Presence:
    """What is loaded that was not before a tool was started; made before that."""

    def __init__(self) -> None:
        self._before = program_ids()
        self._links_before = set(link_ids())

    def new(self) -> Loaded:
        """Return all that is new, whoever loaded it."""
        links = set(link_ids()) - self._links_before
        return Loaded(frozenset(program_ids() - self._before), len(links))

    def held_by_nobody(self) -> frozenset[int]:
        """Return the programs that are new and that no process holds: pinned or attached ones."""
        new = self.new().programs
        return new - find_holders().of_program.keys() if new else new

    def of(self, tool: StartedTool) -> Loaded:
        """Return what a tool has: what its processes hold, or for a service all that is new."""
        if tool.launch.is_service:
            return self.new()
        holders = find_holders(tool.processes())
        links = [link(number) for number in holders.of_link]
        programs = {*holders.of_program, *(each.prog_id for each in links if each)}
        hooks = len(links) + sum(map(len, holders.perf_events.values()))
        return Loaded(frozenset(programs - self._before), hooks)


def wait_until_ready(tool: StartedTool, presence: Presence, patience: Patience) -> Loaded:
    """Return what a tool has loaded when it is ready; nothing if it loads nothing.

    Raises
    ------
    FailedError
        It cannot be started, it ended, or it does not become ready.
    """
    began_s = changed_s = time.monotonic()
    seen, matched = Loaded(), 0
    timeout_s = patience.timeout_s
    if patience.ready is None and not patience.expected:
        timeout_s = min(timeout_s, _NONE_S)
    while True:
        tool.look()
        now_s = time.monotonic()
        _check_start(tool, presence, now_s - began_s)
        ended = tool.has_ended
        if patience.ready is not None:
            matched += sum(map(bool, map(patience.ready.search, tool.output.new_lines())))
            if matched >= len(tool.launch.starts):
                return presence.of(tool)
        elif ended:
            return Loaded()
        elif (found := presence.of(tool)) != seen:
            seen, changed_s = found, now_s
        elif seen.programs and now_s - changed_s >= _SETTLED_S:
            return seen
        if ended or now_s - began_s >= timeout_s:
            return _too_late(tool, patience, seen)
        tool.output.bound()
        time.sleep(_POLL_S)


def _check_start(tool: StartedTool, presence: Presence, seconds: float) -> None:
    """Raise if the command has ended in a way that it must not."""
    if tool.status is None:
        return
    if tool.status:
        raise tool.why(
            f"{tool.launch} ended after {seconds:.1f} s with {tool.how_it_ended()}",
            "check it" if tool.launch.is_service else "it must run until it is stopped",
        )
    if tool.has_ended and presence.held_by_nobody():
        raise tool.why(
            f"{tool.launch} ended, and left BPF programs behind",
            "give the commands that start and stop it: --start and --stop",
        )


def _too_late(tool: StartedTool, patience: Patience, seen: Loaded) -> Loaded:
    if patience.ready is not None:
        when = "until it ended" if tool.has_ended else f"in {patience.timeout_s:g} s"
        raise tool.why(
            f"no line of {tool.launch} matched {patience.ready.pattern!r} {when}",
            "give it more time with --timeout; it may write only when much has come together"
            " (stdbuf -oL)",
        )
    if seen.programs:
        raise tool.why(
            f"{tool.launch} did not become ready: its {len(seen.programs)} BPF programs still"
            f" changed after {patience.timeout_s:g} s",
            "give it more time with --timeout, or say by --ready what it writes when it is ready",
        )
    return Loaded()


def require_programs(tool: StartedTool, patience: Patience, loaded: Loaded) -> None:
    """Raise if a tool has loaded nothing, although it had to.

    Raises
    ------
    FailedError
        It has: calls beside it would not say what it costs.
    """
    if loaded.programs or not patience.needed:
        return
    when = "until it ended" if tool.has_ended else f"in {patience.timeout_s:g} s"
    raise tool.why(
        f"{tool.launch} loaded no BPF program {when}",
        "give it more time with --timeout, or say by --ready what it writes when it is ready",
    )


def wait_until_gone(tool: StartedTool, loaded: Loaded, presence: Presence) -> None:
    """Wait until what a tool had loaded is gone; what it pinned was not seen before its end.

    Raises
    ------
    FailedError
        Something of it stays, or may stay, as the command that stops it failed.
    """
    if tool.not_stopped is not None:
        raise tool.why(
            f"{shlex.join(tool.launch.stop)} {tool.not_stopped}",
            "check it; the service may still run",
        )
    deadline_s = time.monotonic() + _GONE_S
    while left := loaded.programs & program_ids() or _pinned(tool, loaded, presence):
        if time.monotonic() > deadline_s:
            raise FailedError(_what_stays(tool, left), "end it; its programs are still attached")
        time.sleep(_POLL_S)
    if tool.left:
        pids = ", ".join(map(str, tool.left))
        raise FailedError(f"processes of {tool.launch} cannot be ended: {pids}", "end them")


def _pinned(tool: StartedTool, loaded: Loaded, presence: Presence) -> frozenset[int]:
    """Return what is there since its start and held by nobody, if nothing else of it was seen."""
    if loaded.programs or tool.launch.is_service:
        return frozenset()
    return presence.held_by_nobody()


def _what_stays(tool: StartedTool, left: frozenset[int]) -> str:
    holders = find_holders().of_program
    names = sorted({str(each) for number in left for each in holders.get(number, ())})
    return (
        f"{len(left)} BPF programs of {tool.launch} are still loaded {_GONE_S:g} s after it was"
        f" stopped, held by {', '.join(names) or 'no process: they are pinned, or attached'}"
    )
