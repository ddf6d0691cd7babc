"""Predictions beside truths: the pace of a load, verdicts, records, tables."""

from __future__ import annotations

import json

import jsonschema
import pytest

from ebpf_overhead.cli.validation import _status
from ebpf_overhead.errors import ExitStatus
from ebpf_overhead.hooks.cases import select
from ebpf_overhead.measure.run_count_check import Hits
from ebpf_overhead.measure.sampler import Sampler
from ebpf_overhead.measure.sampling import HalfBlock, Precision, Sampled, Samples
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.measure.turns import sample
from ebpf_overhead.studies.registry import schema
from ebpf_overhead.studies.validation.compare import Prediction, Validation
from ebpf_overhead.studies.validation.process import Truth
from ebpf_overhead.studies.validation.rows import make_record
from ebpf_overhead.studies.validation.run import Options, place_of
from ebpf_overhead.studies.validation.text import reasons, rows, summary
from ebpf_overhead.tools.estimate.answer import Share
from ebpf_overhead.workload import paced_load as load_module
from ebpf_overhead.workload.paced_load import Pace, SteadyLoad

PACE = Pace(calls_per_s=100_000, batch=500)
(CASE,) = select(["tp_btf"], ["simple"], ["getpid"])


def validation(true_ns: float, half_width_ns: float = 1.0) -> Validation:
    """100,000 calls per second, predicted to pay 200 (190 … 220) ns each."""
    said = Interval(200.0, 190.0, 220.0, 0.99)
    overhead = Interval(true_ns, true_ns - half_width_ns, true_ns + half_width_ns, 0.99)
    samples = Samples((100.0, 100.0), (300.0, 300.0), 1, PACE.batch)
    return Validation(
        CASE,
        "measured",
        pace=PACE,
        prediction=Prediction(99_990.0, 99_990, "fentry:x", said, Share.of(99_990.0, said)),
        truth=Truth(Sampled(samples, overhead, "time"), Hits(2000, 2000, 0), 40, 0, "sys_enter"),
    )


def test_shares_are_of_the_pace():
    each = validation(210.0)
    assert each.true_share.estimate == pytest.approx(0.021)
    assert each.load_share == pytest.approx(0.01)
    assert each.ratio == pytest.approx(1.05, rel=1e-3)


@pytest.mark.parametrize(
    ("true_ns", "half_width_ns", "verdict"),
    [
        (191.0, 1.0, "interval"),
        (219.0, 50.0, "interval"),
        (228.0, 1.0, "tolerance"),
        (172.0, 1.0, "tolerance"),
        (232.0, 5.0, "unsure"),
        (165.0, 8.0, "unsure"),
        (232.0, 1.0, "off"),
        (165.0, 1.0, "off"),
        (0.0, 5.0, "off"),
    ],
)
def test_verdict(true_ns, half_width_ns, verdict):
    assert validation(true_ns, half_width_ns).verdict == verdict


def record(*validations: Validation) -> dict:
    made = make_record(validations, Options(PACE)) | {"machine": {"kernel": {"release": "6.12"}}}
    return json.loads(json.dumps(made))


def test_record_and_table():
    refused = Validation(CASE, "refused", "EPERM", "run as root", pace=PACE)
    made = record(validation(210.0), validation(300.0), refused)
    jsonschema.validate(made, schema("validation"))
    held, off, missing = rows(made)
    assert held[:4] == ("getpid", "tp_btf", "2 (1.9 … 2.2)", "2.1 (2.09 … 2.11)")
    assert held[4] == "200.0 / 210.0"
    assert held[-2:] == ("1.050", "as stated")
    assert off[-1] == "off"
    assert missing[-1] == "refused"
    assert reasons(made) == ["tp_btf: refused: EPERM; run as root"]
    assert summary(made).startswith("1 of 2 predictions for simple held")


@pytest.mark.parametrize(
    ("validations", "status"),
    [
        ([validation(210.0)], ExitStatus.MEASURED),
        ([validation(210.0), validation(300.0)], ExitStatus.CASE_FAILED),
        ([Validation(CASE, "failed", "why", pace=PACE)], ExitStatus.CASE_FAILED),
        ([Validation(CASE, "unsupported", "why", pace=PACE)], ExitStatus.NOTHING_MEASURABLE),
    ],
)
def test_exit_status(validations, status):
    assert _status(record(*validations)) == status


class FakeTime:
    """A clock that only sleeping and calling move."""

    def __init__(self) -> None:
        self.now_ns = self.cpu_ns = 0
        self.slept_s: list[float] = []

    def monotonic_ns(self) -> int:
        return self.now_ns

    def thread_time_ns(self) -> int:
        return self.cpu_ns

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_ns += round(seconds * 1e9)


@pytest.fixture
def fake_time(monkeypatch) -> FakeTime:
    fake = FakeTime()
    monkeypatch.setattr(load_module, "time", fake)
    monkeypatch.setattr(load_module.os, "sched_setaffinity", lambda pid, cpus: None)

    class Loop:
        per_call_ns = 100

        def run(self, target: str, calls: int) -> tuple[list[int], int]:
            fake.now_ns += calls * self.per_call_ns
            fake.cpu_ns += calls * self.per_call_ns + 7  # the wake-up
            return [calls * self.per_call_ns], calls

    fake.loop = Loop()
    monkeypatch.setattr(load_module, "_workload", fake.loop)
    return fake


def test_load_keeps_its_pace_and_knows_what_each_batch_took(fake_time):
    load = SteadyLoad("getpid", PACE, 0)
    assert load.run("getpid", PACE.batch, 4) == ([50_007] * 4, 4 * PACE.batch)
    assert fake_time.slept_s == pytest.approx([0.005] + [0.00495] * 3)
    assert fake_time.now_ns == 4 * PACE.period_ns + 50_000
    assert (load.batches, load.late) == (4, 0)
    by_calls = SteadyLoad("getpid", PACE, 0, by="calls")
    assert by_calls.run("getpid", PACE.batch, 2) == ([50_000] * 2, 2 * PACE.batch)


def test_load_that_cannot_keep_its_pace_says_so(fake_time):
    fake_time.loop.per_call_ns = 30_000  # three periods a batch
    load = SteadyLoad("getpid", PACE, 0)
    load.run("getpid", PACE.batch, 4)
    assert (load.batches, load.late) == (4, 3)


def test_sampler_takes_its_windows_from_elsewhere():
    attached = [False]
    asked = []

    def run(target: str, calls: int, windows: int, cpu: int) -> tuple[list[int], int]:
        asked.append((target, calls, cpu))
        return [calls * (300 if attached[0] else 100)] * windows, calls * windows

    def switch(on: bool) -> None:
        attached[0] = on

    sampler = Sampler("getpid", switch, cpu=0, run=run, half_block=HalfBlock(7, 3))
    found = sample(sampler, Precision(0.1, 0), 5.0)
    assert found.overhead.estimate == 200.0
    assert found.stopped_by == "precision"
    assert set(asked) == {("getpid", 7, 0)}
    assert found.samples.windows_per_block == 3


def test_place_is_where_estimate_finds_the_target():
    assert str(place_of(CASE.workload)) == "syscall:getpid"
    (uprobe,) = select(["uprobe"], ["simple"], ["function"])
    assert str(place_of(uprobe.workload)).endswith(":ebpf_overhead_target")
