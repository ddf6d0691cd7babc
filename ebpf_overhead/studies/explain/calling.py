"""In the guest: the process whose calls are stepped through.

It says in a line where its loop begins, and calls until it is killed.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ebpf_overhead.errors import OverheadError
from ebpf_overhead.hooks.case_data import of_data, to_data
from ebpf_overhead.hooks.cases import Case
from ebpf_overhead.hooks.probe import load
from ebpf_overhead.hooks.probe_group import load_group
from ebpf_overhead.studies.explain.stepping import CALLS
from ebpf_overhead.tools.profile import jit_symbols
from ebpf_overhead.workload import _workload

# What a fresh interpreter is given to run, with the data behind it.
CODE = f"from {__name__} import main; main()"
# As many as fill the maps of the shipped programs: the first use of a key is an insert.
_FILLING_CALLS = 15_000


@dataclass(frozen=True)
class CallingJob:
    """What to call.

    Attributes
    ----------
    case : Case
        The probe and its workload.
    attached : bool
        Whether the probe is attached.
    symbols : str
        File for the kernel's symbols.
    """

    case: Case
    attached: bool
    symbols: str

    def to_json(self) -> str:
        """Return it as the process in the guest is given it."""
        return json.dumps([to_data(self.case), self.attached, self.symbols])


@dataclass(frozen=True)
class Started:
    """What the process says.

    Attributes
    ----------
    loop : int
        Address of its loop.
    hook : str
        What the program is attached to.
    """

    loop: int
    hook: str


def main() -> NoReturn:
    """Attach what the first argument says, and call for ever."""
    data, attached, symbols = json.loads(sys.argv[1])
    try:
        _call(CallingJob(of_data(data), attached, symbols))
    except OverheadError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_status)


def _call(job: CallingJob) -> NoReturn:
    workload = job.case.workload
    with jit_symbols.visible(), load_group(load, job.case) as group:
        if job.attached:
            group.attach()
        buffers = group.probe.compiled.event_buffers()
        for _ in range(_FILLING_CALLS // workload.few_calls + 1):
            _workload.run(workload.name, workload.few_calls, cpu=0)
            if buffers is not None:
                buffers.drain()
        Path(job.symbols).write_bytes(Path("/proc/kallsyms").read_bytes())
        started: dict[str, Any] = vars(
            Started(_workload.loop_address(workload.name), group.probe.hook)
        )
        print(json.dumps(started), flush=True)
        while True:
            _workload.run(workload.name, CALLS, cpu=0)
            if buffers is not None:
                buffers.drain()
