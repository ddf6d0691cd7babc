"""Measuring on another kernel: the same command, in a guest booted on it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ebpf_overhead.errors import ExitStatus, FailedError
from ebpf_overhead.guest.vm import Guest
from ebpf_overhead.kernels import catalogue
from ebpf_overhead.report.record import Record

# Imported before any command is forked: starting Python anew takes seconds in a guest.
PRELOAD = ("ebpf_overhead.cli.measure", "ebpf_overhead.proof:precompile")

_HAS_RECORD = {ExitStatus.MEASURED, ExitStatus.CASE_FAILED, ExitStatus.NOTHING_MEASURABLE}


def measure_in_guest(
    kernel_name: str,
    arguments: Sequence[str],
    say: Callable[[str], None],
    sources: Sequence[Path] = (),
    command: str = "measure",
) -> Record:
    """Run a command that measures in a guest and return its record.

    Parameters
    ----------
    kernel_name : str
        Release or series of an installed kernel.
    arguments : sequence of str
        Its options in the guest.
    say : callable
        Told in a line what goes on.
    sources : sequence of Path
        C sources that the arguments name; the headers beside them are shown to the guest, too.
    command : str
        Subcommand of ``ebpf-overhead``.

    Returns
    -------
    dict
        The guest's record; ``guest`` says what machine it was, and the phases are in the
        host's seconds.

    Raises
    ------
    OverheadError
        The kernel is not installed, does not boot, or the command failed in it.
    """
    kernel = catalogue.find(kernel_name)
    began = time.monotonic()
    say(f"booting {kernel.release}")
    shown = [path.absolute() for path in sources]
    shown += [header for path in shown for header in path.parent.glob("*.h")]
    with Guest(kernel, preload=PRELOAD, log=say, shown=shown) as guest:
        say(f"measuring on {kernel.release} (booted in {guest.boot_seconds:.0f} s)")
        program = [sys.executable, "-m", "ebpf_overhead.cli"]
        run = guest.run([*program, command, "--format", "json", *arguments])
        description = guest.description
        boot_s = guest.boot_seconds
    if run.exit_status not in _HAS_RECORD or not run.stdout.strip():
        reason = run.stderr.strip().splitlines() or [f"exit status {run.exit_status}"]
        raise FailedError(f"measuring failed in the guest {kernel.release}: {reason[-1]}")
    record: Record = json.loads(run.stdout)
    total_s = time.monotonic() - began
    record["guest"] = description
    record["phases_s"] = {
        "boot": round(boot_s, 3),
        "measure": round(total_s - boot_s, 3),
        "total": round(total_s, 3),
    }
    return record
