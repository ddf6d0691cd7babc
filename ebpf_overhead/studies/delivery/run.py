"""Measuring a cell: paced calls with the probe and without, while somebody reads."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

from ebpf_overhead.bpf import maps
from ebpf_overhead.errors import FailedError, OverheadError, UnsupportedError
from ebpf_overhead.hooks.attach_types import ATTACH_TYPES
from ebpf_overhead.hooks.cases import Case
from ebpf_overhead.hooks.probe import Probe, load
from ebpf_overhead.measure import event_readers
from ebpf_overhead.measure.outcome import Outcome
from ebpf_overhead.measure.paced import PacedWindows, Pacing, Window
from ebpf_overhead.measure.result import Sampling
from ebpf_overhead.measure.sampling import choose_cpu
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.phases import phase
from ebpf_overhead.programs import compiled as programs
from ebpf_overhead.programs.bcc_compile import Source
from ebpf_overhead.programs.catalogue import Program
from ebpf_overhead.programs.compiled import CompiledProgram
from ebpf_overhead.programs.libbpf_reader import LibbpfBuffer, ReadingThread
from ebpf_overhead.programs.program_object import Constant
from ebpf_overhead.report.record import Count
from ebpf_overhead.studies.delivery.cells import NONE, RING, DeliveryCell
from ebpf_overhead.workload import _workload
from ebpf_overhead.workload.affinity import on_cpus
from ebpf_overhead.workload.workloads import GETPID

_ROUNDS = 16
# What sets the calls of a window where they follow each other directly.
_FLAT_OUT_PER_S = 1_000_000
# The reader that looks now and then.
_LOOK_NS = 10_000_000
# More records than any of the buffers has room for.
_FILL = 40_000
# How long a reader has to take out what a window has written.
_CATCH_UP_S = 0.03
_FILE = "delivery"


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What a record costs, in ns.

    Attributes
    ----------
    caller : Interval
        What a call takes longer for it.
    baseline_ns : float
        A call without the probe, at the same rate, with one reading of the clock.
    per_s : float
        Calls per second, as they came out.
    records, lost : int
        Records handed over in the windows, and those that found no room.
    left_out : int
        Calls that do not count, as another task had the CPU meanwhile.
    reader_ns : float or None
        CPU time of the reader; None where nobody reads.
    wakeups : float or None
        How often the reader was woken up.
    """

    caller: Interval
    baseline_ns: float
    per_s: float
    records: Count
    lost: Count
    left_out: Count
    reader_ns: float | None
    wakeups: float | None


@dataclass(frozen=True)
class DeliveryResult:
    """What became of a cell.

    Attributes
    ----------
    cell : DeliveryCell
        What was measured.
    outcome : Outcome
        Whether it was, or why not.
    delivery : Delivery or None
        What it costs.
    """

    cell: DeliveryCell
    outcome: Outcome
    delivery: Delivery | None = None


def measure(
    cells: Iterable[DeliveryCell],
    attach: str,
    sampling: Sampling,
    progress: Callable[[DeliveryCell, float], None] = lambda cell, share: None,
) -> Iterator[DeliveryResult]:
    """Measure cells one after the other; ``sampling`` gives time, CPU and seed.

    Yields
    ------
    DeliveryResult
        One a cell, in order; never an exception for what this kernel cannot do.
    """
    order = random.Random(sampling.seed)
    for cell in cells:
        case = Case(GETPID, ATTACH_TYPES[attach], _program(cell))
        try:
            found = _measured(cell, case, sampling, order, progress)
        except OverheadError as error:
            yield DeliveryResult(cell, Outcome.of_error(case, error))
        else:
            yield DeliveryResult(cell, Outcome(case, "measured"), found)


def _program(cell: DeliveryCell) -> Program:
    kind = cell.buffer.kind
    return Program(
        f"{_FILE}_{cell.buffer.name}",
        "Delivery",
        cell.buffer.summary,
        file=_FILE,
        definitions=(f"BUFFER={kind}",),
    )


def _measured(
    cell: DeliveryCell,
    case: Case,
    sampling: Sampling,
    order: random.Random,
    progress: Callable[[DeliveryCell, float], None],
) -> Delivery:
    cpu = choose_cpu(sampling.cpu)
    reader_cpu = _cpu_of_reader(cell, cpu)
    constants = {"CALLER": threading.get_native_id()}
    if cell.buffer.kind == RING:
        constants["WAKEUP"] = cell.buffer.flags
    source = Source(
        programs.source_path(_FILE), case.program.definitions, tuple(map(Constant, constants))
    )
    with ExitStack() as stack:
        with phase("load"):
            compiled = programs.with_maps(case.program.name, source, constants)
            probe = stack.enter_context(load(case, compiled))
            buffer = None
            if cell.buffer.kind != NONE:
                buffer = stack.enter_context(_opened(cell, compiled))
        session = _Session(cell, probe, buffer, cpu, sampling.time_s)
        # Between windows, too: a perf buffer of another CPU would have room.
        with on_cpus({cpu}), _read(cell, buffer, reader_cpu) as thread:
            session.begin()
            for done in range(_ROUNDS):
                session.round(thread, order)
                progress(cell, (done + 1) / _ROUNDS)
            probe.detach()
        return session.result()


def _cpu_of_reader(cell: DeliveryCell, cpu: int) -> int:
    if not cell.reader.beside or cell.reader.waits == "absent":
        return cpu
    others = os.sched_getaffinity(0) - {cpu}
    if not others:
        raise UnsupportedError(
            "the reader needs another CPU, and there is only one", "measure on more CPUs"
        )
    return min(others)


def _opened(cell: DeliveryCell, compiled: CompiledProgram) -> LibbpfBuffer:
    return event_readers.opened(compiled.maps.fds["events"], cell.buffer.wakeup_events)


@contextmanager
def _read(
    cell: DeliveryCell, buffer: LibbpfBuffer | None, cpu: int
) -> Iterator[ReadingThread | None]:
    """Have the cell's reader read while the block runs; None where there is none."""
    if buffer is None or cell.reader.waits == "absent":
        yield None
        return
    sleep_ns = {"woken": None, "time": _LOOK_NS, "never": 0}[cell.reader.waits]
    with event_readers.read_by_thread(buffer, {cpu}, sleep_ns) as thread:
        yield thread


def _calls_of_window(cell: DeliveryCell, time_s: float) -> int:
    calls = int((cell.rate or _FLAT_OUT_PER_S) * time_s / _ROUNDS / 2)
    # Each window has as many wake-ups.
    wakeup = cell.buffer.wakeup_events or 1
    return max(-(-calls // wakeup) * wakeup, wakeup)


class _Session:
    """The rounds of one cell.

    Parameters
    ----------
    cell : DeliveryCell
        What is measured.
    probe : Probe
        Its program, loaded.
    buffer : LibbpfBuffer or None
        What it writes to.
    cpu : int
        Where calls are made.
    time_s : float
        How long all windows take.
    """

    def __init__(
        self,
        cell: DeliveryCell,
        probe: Probe,
        buffer: LibbpfBuffer | None,
        cpu: int,
        time_s: float,
    ) -> None:
        self._cell, self._probe, self._buffer, self._cpu = cell, probe, buffer, cpu
        self._calls = _calls_of_window(cell, time_s)
        self._windows = PacedWindows(GETPID.name, Pacing(cell.rate), self._calls, cpu, probe.switch)
        self._reader_ns = self._waits = self._made = self._lost = 0
        self._read = False

    def begin(self) -> None:
        """Fill the buffer that nobody reads."""
        if self._cell.reader.waits == "absent" and self._buffer is not None:
            self._probe.attach()
            _workload.run(GETPID.name, _FILL, cpu=self._cpu)
            self._probe.detach()

    def round(self, thread: ReadingThread | None, order: random.Random) -> None:
        """Measure a window with the probe and one without."""
        self._windows.round(order, partial(self._probed, thread))

    def _probed(self, thread: ReadingThread | None, window: Window) -> float:
        before_made, before_lost = self._outcomes()
        if thread is None:
            per_call_ns = window()
        else:
            spent_ns, waited = thread.cpu_ns(), thread.waits()
            per_call_ns = window()
            self._let_read()
            self._reader_ns += thread.cpu_ns() - spent_ns
            self._waits += thread.waits() - waited
            self._read = True
        made, lost = self._outcomes()
        self._made += made - before_made
        self._lost += lost - before_lost
        if made + lost - before_made - before_lost < self._calls:
            raise FailedError(
                f"{self._cell.name}: {made + lost - before_made - before_lost} records of"
                f" {self._calls} calls",
            )
        return per_call_ns

    def _let_read(self) -> None:
        """Wait until the reader has taken out what was written, as far as it is woken up."""
        assert self._buffer is not None
        until = time.monotonic() + _CATCH_UP_S
        while self._buffer.records < self._outcomes()[0] and time.monotonic() < until:
            time.sleep(0.001)

    def _outcomes(self) -> tuple[int, int]:
        fd = self._probe.compiled.maps.fds["outcomes"]
        made, lost = (int.from_bytes(maps.lookup(fd, key), "little") for key in (0, 1))
        return made, lost

    def result(self) -> Delivery:
        """Return what all rounds say.

        Raises
        ------
        FailedError
            The reader did not get what was written.
        """
        made, _ = self._outcomes()
        if self._buffer is not None:
            self._buffer.consume()
            if self._buffer.records != made:
                raise FailedError(
                    f"{self._cell.name}: {self._buffer.records} records read of {made} written"
                )
        events = max(self._made + self._lost, 1)
        return Delivery(
            caller=self._windows.overhead,
            baseline_ns=self._windows.baseline_ns,
            per_s=self._windows.per_s,
            records=self._made,
            lost=self._lost,
            left_out=self._windows.left_out,
            reader_ns=self._reader_ns / events if self._read else None,
            wakeups=self._waits / events if self._read else None,
        )
