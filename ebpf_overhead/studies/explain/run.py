"""Cases -> where their instructions go, in a guest of one kernel."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ebpf_overhead.architectures import X86_64
from ebpf_overhead.errors import FailedError, UnsupportedError
from ebpf_overhead.guest import wire
from ebpf_overhead.guest.debugger import Debugger, Stop
from ebpf_overhead.guest.session import Session
from ebpf_overhead.guest.variants import USUAL, Variant
from ebpf_overhead.guest.vm import Guest
from ebpf_overhead.hooks.cases import Case
from ebpf_overhead.hooks.object_cases import with_configuration
from ebpf_overhead.kernels import catalogue
from ebpf_overhead.measure.in_guest import own_files, phases_s
from ebpf_overhead.measure.in_process import LAST_WORDS_S, record_of
from ebpf_overhead.measure.result import Sampling
from ebpf_overhead.measure.sampling import Precision
from ebpf_overhead.programs.compiled import compile_ahead
from ebpf_overhead.report.record import Record
from ebpf_overhead.studies import cases_run
from ebpf_overhead.studies.explain import calling
from ebpf_overhead.studies.explain.calling import Started
from ebpf_overhead.studies.explain.stepping import in_kernel, step_calls
from ebpf_overhead.studies.explain.symbols import Symbols, read_symbols

STUDY = "explain"
_SYMBOLS = "symbols"
_INSTRUCTION_BYTES = 15


@dataclass(frozen=True)
class SteppedCall:
    """One call, stepped through.

    Attributes
    ----------
    places : list of Stop
        An instruction each, in the order of execution.
    alike : bool
        Whether each call of the window had as many instructions.
    started : Started
        What called.
    symbols : Symbols
        Of the kernel with the program loaded.
    code : dict of int to bytes
        The bytes at each address in the kernel, if they were asked for.
    """

    places: list[Stop]
    alike: bool
    started: Started
    symbols: Symbols
    code: dict[int, bytes]


@dataclass(frozen=True)
class Explained:
    """A case, measured and stepped through.

    Attributes
    ----------
    row : dict
        What was measured of it, as ``measure --json`` has it.
    unprobed, probed : SteppedCall or None
        One call without the probe and one with it; None where it was not measured.
    """

    row: dict[str, Any]
    unprobed: SteppedCall | None = None
    probed: SteppedCall | None = None


@dataclass(frozen=True)
class Explanation:
    """What came of some cases on one kernel.

    Attributes
    ----------
    measured : dict
        The record of measuring them.
    cases : list of Explained
        One each.
    """

    measured: Record
    cases: list[Explained]


def explain(
    kernel_name: str,
    cases: Sequence[Case],
    say: Callable[[str], None],
    *,
    with_code: bool = False,
    restore: bool = True,
    variant: Variant = USUAL,
) -> Explanation:
    """Measure cases in a guest, then step through one call of each without and with its probe.

    Parameters
    ----------
    kernel_name : str
        Release or series of an installed kernel.
    cases : sequence of Case
        What to explain.
    say : callable
        Told in a line what goes on.
    with_code : bool, optional
        Whether to read the instructions themselves as well.
    restore : bool, optional
        Whether the guest may be restored from a saved state; else it is booted.
    variant : Variant, optional
        What the guest has that others do not.

    Raises
    ------
    OverheadError
        The kernel is not installed, does not boot, or a call cannot be stepped through.
    """
    kernel = catalogue.find(kernel_name)
    if kernel.arch != X86_64.name:
        raise UnsupportedError(
            f"{kernel.release} is of {kernel.arch}: only calls of x86_64 are stepped through",
            "measure tells what probes cost there",
        )
    began_s = time.monotonic()
    cases = with_configuration(list(cases), kernel.config_text())
    programs = list(dict.fromkeys(case.program for case in cases))
    say(f"Starting {kernel.release}")
    compile_ahead(programs, kernel.release)
    shown = own_files(programs)
    how: dict[str, Any] = {"restore": restore, "variant": variant}
    with Guest(kernel, preload=[cases_run.__name__], log=say, shown=shown, **how) as guest:
        say(f"Measuring on {kernel.release}")
        measured = {**_measure(guest, cases), "guest": guest.description}
        explained = []
        unprobed: dict[str, SteppedCall] = {}  # The same for all probes of a workload.
        for case, row in zip(cases, measured["cases"], strict=True):
            if row["status"] != "measured":
                explained.append(Explained(row))
                continue
            workload = case.workload.name
            if workload not in unprobed:
                say(f"Stepping through {workload}")
                unprobed[workload] = _step(guest, case, False, with_code)
            say(f"Stepping through {case.name}")
            probed = _step(guest, case, True, with_code)
            explained.append(Explained(row, unprobed[workload], probed))
        boot_s = guest.boot_seconds
    measured["phases_s"] = phases_s(boot_s, time.monotonic() - began_s)
    return Explanation(measured, explained)


def _measure(guest: Guest, cases: list[Case]) -> Record:
    job = cases_run.Job(STUDY, cases, Sampling(Precision()))
    command = [sys.executable, "-I", "-c", cases_run.CODE, job.to_json()]
    run = guest.run(command, last_words_s=LAST_WORDS_S)
    where = f"the guest {guest.kernel.release}"
    return record_of(run.exit_status, run.stdout, run.stderr, where)


def _step(guest: Guest, case: Case, attached: bool, with_code: bool) -> SteppedCall:
    """Step through a call in a process of its own, which ends with the session."""
    symbols = guest.share / _SYMBOLS
    symbols.unlink(missing_ok=True)
    job = calling.CallingJob(case, attached, str(symbols))
    with guest.session() as session:
        session.start([sys.executable, "-I", "-c", calling.CODE, job.to_json()])
        started = _await_start(session)
        with guest.debugger() as debugger:
            calls = step_calls(debugger, started.loop)
            places = calls[-1]
            code = _code(debugger, places) if with_code else {}
    alike = len({*map(len, calls)}) == 1
    return SteppedCall(places, alike, started, read_symbols(symbols), code)


def _await_start(session: Session) -> Started:
    said = {"stdout": b"", "stderr": b""}
    while b"\n" not in said["stdout"]:
        event = session.receive()
        if event["event"] == "exit":
            why = said["stderr"].decode("utf-8", "replace").strip().splitlines()
            raise FailedError(
                why[-1] if why else f"the calling process ended with status {event['status']}"
            )
        if event["event"] == "output":
            said["stdout" if event["stream"] == 1 else "stderr"] += wire.unpack(event["data"])
    return Started(**json.loads(said["stdout"]))


def _code(debugger: Debugger, places: Sequence[Stop]) -> dict[int, bytes]:
    addresses = sorted({place.pc for place in places if in_kernel(place.pc)})
    return {address: debugger.read(address, _INSTRUCTION_BYTES) for address in addresses}
