"""What whole tools cost the work beside them, switched on and off (docs/impact.md).

Not part of ``make bench``: ``asv run --bench impact``.  Tools are those of Debian's ``bpftrace``
and ``bpfcc-tools`` that are found in PATH; one that cannot run here is n/a, with the reason.
"""

from __future__ import annotations

import random
import shutil

from asv_runner.benchmarks.mark import SkipNotImplemented

from ebpf_overhead.errors import OverheadError
from ebpf_overhead.measure.sampling import choose_cpu
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.tools.impact.answer import ROUNDS_MIN, impact
from ebpf_overhead.tools.impact.rounds import ImpactQuestion, rounds
from ebpf_overhead.tools.impact.segments import WorkloadTurns
from ebpf_overhead.tools.impact.starting import ToolLaunch
from ebpf_overhead.workload import clock
from ebpf_overhead.workload.calling_threads import CallingThreads
from ebpf_overhead.workload.workloads import WORKLOADS

from .common import TIMED, Tracked, require_time, tracked_interval

_TOOLS = ["opensnoop.bt", "execsnoop.bt", "syscount.bt", "opensnoop-bpfcc", "execsnoop-bpfcc"]
_WORKLOADS = ["getpid", "openat_close", "tcp_request", "exec"]
_SEGMENT_S = 0.2

# What a tool adds to a call of each workload, with the calls of a window; or why it is not known.
Found = dict[str, tuple[Interval, int]] | str


class Tool(Tracked):
    """A tool of Debian's, in rounds of off, on, on, off."""

    params = (_TOOLS, _WORKLOADS)
    param_names = ("tool", "workload")
    version = TIMED
    unit = "ns"
    timeout = 300

    def setup_cache(self) -> dict[str, Found]:
        try:
            require_time()
        except SkipNotImplemented as reason:
            return dict.fromkeys(_TOOLS, str(reason))
        return {tool: _measured(tool) for tool in _TOOLS}

    def track_added(self, cache: dict[str, Found], tool: str, workload: str) -> dict[str, object]:
        found = cache[tool]
        if isinstance(found, str):
            raise SkipNotImplemented(found)
        if workload not in found:
            raise SkipNotImplemented(f"{workload} cannot be called here")
        return tracked_interval(*found[workload])


def _measured(tool: str) -> Found:
    """Return what a tool adds to each workload, or why that cannot be measured."""
    if shutil.which(tool) is None:
        return f"{tool} is not in PATH"
    generator = random.Random()
    chosen = [WORKLOADS[name] for name in _WORKLOADS]
    try:
        windows = WorkloadTurns(chosen, choose_cpu(), generator)
        question = ImpactQuestion(
            ToolLaunch((tool,)), windows, rounds=ROUNDS_MIN, segment_s=_SEGMENT_S
        )
        with CallingThreads(generator, clock.current().layout_sensitive) as threads:
            found = list(rounds(question, threads, lambda number: None))
    except OverheadError as error:
        return str(error)
    return {name: (impact(found, name).difference, calls) for name, calls in windows.calls.items()}
