"""What a probe on getpid costs: the reference grid and the further tracepoint forms."""

from __future__ import annotations

from ebpf_overhead.hooks.cases import select
from ebpf_overhead.measure.percall import Window

from .common import (
    GRID,
    GRID_NAMES,
    TIMED,
    Counted,
    PerCall,
    ProbedPerCall,
    Tracked,
    cached,
    case_of,
    counted,
    require_time,
    timed,
    tracked,
    versions,
)


@versions(
    track_baseline="9faa8d58f1fe1327c72270fb7090754a1a04576da9aadcb0502474fe12a6a9eb",
    track_instructions="acefa4e0ccb18dafd6ddef5c34a678fa160d229d822946f870c2b7e4b03c9a76",
    track_overhead="f23823724df71cf90f51c80c31933fb55c2de4486c7089c62acbd70eccc0def5",
)
class Instructions(Tracked):
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

    def track_overhead(self, cache: object, *case: str) -> float:
        return round(self.measurement.overhead.estimate, 1)

    def track_baseline(self, cache: object, *case: str) -> float:
        return round(self.measurement.baseline.median, 1)


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


class Overhead(Tracked):
    """What the program adds to a call that nothing disturbs.

    All cases are measured in turns; each benchmark picks its number.
    """

    params: tuple[list[str], ...] = GRID
    param_names: tuple[str, ...] = GRID_NAMES
    version = TIMED
    unit = "ns"
    timeout = 300

    def setup_cache(self) -> Counted:
        return timed(select())

    def setup(self, cache: Counted, *case: str) -> None:
        self.measurement = cached(cache, case_of(*case).name)

    def track_overhead(self, cache: object, *case: str) -> dict[str, object]:
        return tracked(self.measurement)

    def track_baseline(self, cache: object, *case: str) -> float:
        return round(self.measurement.unprobed, 2)

    def track_probed(self, cache: object, *case: str) -> float:
        return round(self.measurement.unprobed + self.measurement.overhead.estimate, 2)
