"""Profiling a running process, with the BPF programs that its calls run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ebpf_overhead.closing import scratch_directory
from ebpf_overhead.errors import BadUseError, FailedError
from ebpf_overhead.printable import printable
from ebpf_overhead.tools.profile import perf_tool
from ebpf_overhead.tools.profile.stacks import Stacks, parse
from ebpf_overhead.tools.tracers.waiting import Watch

_PERIOD_NS = 250_007


@dataclass(frozen=True)
class ProcessProfile:
    """Where a process spends its time.

    Attributes
    ----------
    pid : int
        The process.
    command : str
        Its command name.
    seconds : float
        Duration of the sampling.
    stacks : Stacks
        Samples of all its threads while they were on a CPU.
    """

    pid: int
    command: str
    seconds: float
    stacks: Stacks


def profile_process(pid: int, seconds: float, say: Callable[[str], None]) -> ProcessProfile:
    """Sample a process for some seconds, until it ends, or until Ctrl-C.

    Raises
    ------
    OverheadError
        There is no such process, it used no CPU, or perf is missing or refused.
    """
    try:
        command = printable(Path(f"/proc/{pid}/comm").read_text(errors="replace").strip())
    except OSError:
        raise BadUseError(f"no process has id {pid}", "see ps") from None
    perf_tool.require()
    with scratch_directory() as folder:
        recording = perf_tool.Recording(["--pid", str(pid)], _PERIOD_NS, folder / "process")
        with recording.running(), Watch(seconds, pid) as watch, recording.sampling():
            say(f"Sampling {command} ({pid}); Ctrl-C ends it")
            elapsed = max(watch.ticks(None))
        stacks = parse(perf_tool.script(recording.data))
    if not stacks:
        raise FailedError(
            f"{command} ({pid}) was on no CPU in {elapsed:.1f} s", "sample while it works"
        )
    return ProcessProfile(pid, command, elapsed, stacks)
