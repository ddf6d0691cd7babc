"""Measuring on another kernel: this interpreter, in a guest booted on it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from ebpf_overhead import architectures
from ebpf_overhead.guest.variants import USUAL, Variant
from ebpf_overhead.guest.vm import PRELOAD, Guest
from ebpf_overhead.kernels import catalogue
from ebpf_overhead.measure.in_process import LAST_WORDS_S, record_of
from ebpf_overhead.programs.catalogue import PROGRAMS, STANDARD_PROGRAMS, Program
from ebpf_overhead.programs.compiled import compile_ahead


def measure_in_guest(
    kernel_name: str,
    arguments: Sequence[str],
    say: Callable[[str], None],
    programs: Sequence[Program] = (),
    *,
    preload: Sequence[str] = PRELOAD,
    restore: bool = True,
    variant: Variant = USUAL,
    limit_s: float | None = None,
) -> dict[str, Any]:
    """Have this interpreter measure in a guest and return the record that it prints.

    Parameters
    ----------
    kernel_name : str
        Release or series of an installed kernel.
    arguments : sequence of str
        Of the interpreter in the guest.
    say : callable
        Told in a line what goes on.
    programs : sequence of Program
        Those that the arguments name.  Sources of the user's own are shown to the guest, with
        the headers beside them.
    preload : sequence of str
        Modules that it imports first: a command that is forked then finds them imported.
    restore : bool
        Whether the guest may be restored from a saved state; else it is booted.
    variant : Variant
        What the guest has that others do not.
    limit_s : float, optional
        Seconds that measuring may take.

    Returns
    -------
    dict
        The guest's record; ``guest`` says what machine it was, and the phases are in the
        host's seconds.

    Raises
    ------
    OverheadError
        The kernel is not installed, does not boot, or measuring failed in it.
    """
    kernel = catalogue.find(kernel_name)
    began = time.monotonic()
    say(f"Starting {kernel.release}")
    compile_ahead(
        programs or [PROGRAMS[name] for name in STANDARD_PROGRAMS],
        kernel.release,
        architectures.of(kernel.arch),
    )
    shown = own_files(programs)
    how: dict[str, Any] = {"restore": restore, "variant": variant}
    with Guest(kernel, preload=preload, log=say, shown=shown, **how) as guest:
        say(f"Measuring on {kernel.release} (up after {guest.boot_seconds:.1f} s)")
        command = [sys.executable, "-I", *arguments]
        run = guest.run(command, timeout=limit_s, last_words_s=LAST_WORDS_S)
        description = guest.description
        boot_s = guest.boot_seconds
    where = f"the guest {kernel.release}"
    record = record_of(run.exit_status, run.stdout, run.stderr, where)
    record["guest"] = description
    record["phases_s"] = phases_s(boot_s, time.monotonic() - began)
    return record


def own_files(programs: Iterable[Program]) -> list[Path]:
    """Return the user's files that programs are made of, with the headers beside them."""
    sources = [each.source.absolute() for each in programs if each.source is not None]
    return [*sources, *(header for path in sources for header in path.parent.glob("*.h"))]


def phases_s(boot_s: float, total_s: float) -> dict[str, float]:
    """Return the seconds of a guest's phases, as records have them."""
    seconds = {"boot": boot_s, "measure": total_s - boot_s, "total": total_s}
    return {name: round(each, 3) for name, each in seconds.items()}
