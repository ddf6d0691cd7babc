"""What a probe on getpid costs: the reference grid and the further tracepoint forms."""

from __future__ import annotations

from ebpf_overhead.cases import select
from ebpf_overhead.measure import Options, measure_case
from ebpf_overhead.percall import Window, attach_proven
from ebpf_overhead.proof import open_witness

from .common import (
    GRID,
    GRID_NAMES,
    TIMED,
    Counted,
    PerCall,
    ProbedPerCall,
    cached,
    case_of,
    counted,
    require_time,
    skip_unmeasurable,
    tracked,
)


class Instructions:
    """What the same costs in instructions: by a guest's clock, or the CPU's own counter.

    All cases are measured in one go; each benchmark picks its number.
    """

    params: tuple[list[str], ...] = GRID
    param_names: tuple[str, ...] = GRID_NAMES
    unit = "instructions"
    timeout = 300

    def setup_cache(self) -> Counted:
        return counted(select())

    def setup(self, cache: Counted, *case: str) -> None:
        self.measurement = cached(cache, case_of(*case).name)

    def track_instructions(self, cache: object, *case: str) -> float:
        return round(self.measurement.probed.median, 1)

    track_instructions.less_is_better = True  # type: ignore[attr-defined]

    def track_overhead(self, cache: object, *case: str) -> float:
        return round(self.measurement.overhead.estimate, 1)

    track_overhead.less_is_better = True  # type: ignore[attr-defined]

    def track_baseline(self, cache: object, *case: str) -> float:
        return round(self.measurement.baseline.median, 1)

    track_baseline.less_is_better = True  # type: ignore[attr-defined]


class Unprobed(PerCall):
    """getpid with nothing attached: the baseline."""

    def setup(self) -> None:
        require_time()
        self.window = Window("getpid")

    def time_getpid(self) -> None:
        self.window()


class Probed(ProbedPerCall):
    """getpid with one program attached."""

    params = GRID
    param_names = GRID_NAMES

    def time_getpid(self, attach: str, program: str) -> None:
        self.window()


class Overhead:
    """What the program adds to a call: paired difference of probed and baseline windows."""

    params: tuple[list[str], ...] = GRID
    param_names: tuple[str, ...] = GRID_NAMES
    version = TIMED
    unit = "ns"
    timeout = 60

    def setup(self, *case: str) -> None:
        require_time()
        self.case = case_of(*case)
        with skip_unmeasurable():
            attach_proven(self.case).close()
        self.witness = open_witness(self.case.target, self.case.attach.at_exit)

    def teardown(self, *case: str) -> None:
        witness = getattr(self, "witness", None)
        if witness is not None:
            witness.close()

    def track_overhead(self, *case: str) -> dict[str, object]:
        result = measure_case(self.case, Options(), self.witness)
        if result.measurement is None:
            raise RuntimeError(result.reason)
        return tracked(result.measurement.samples)

    track_overhead.less_is_better = True  # type: ignore[attr-defined]
