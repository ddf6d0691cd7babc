"""The states of a map on a simulated machine: sizes, checks, and what is shown of it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from types import SimpleNamespace

import jsonschema
import pytest
from click.testing import CliRunner

from ebpf_overhead.cli import main
from ebpf_overhead.errors import BadUseError, ExitStatus, UnsupportedError
from ebpf_overhead.measure.result import Measurement, Result, Sampling
from ebpf_overhead.measure.run_count_check import Hits
from ebpf_overhead.measure.sampling import Samples
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.studies.map_state import figure, filled, run, states
from ebpf_overhead.studies.map_state.filled import Outcomes
from ebpf_overhead.studies.map_state.rows import make_record
from ebpf_overhead.studies.map_state.states import STATES, SWEEP, Size
from ebpf_overhead.studies.map_state.tables import costs, rows, sweep
from ebpf_overhead.studies.registry import schema

SAMPLES = Samples((100.0,) * 4, (150.0,) * 4, 2, 1000)
HITS = Hits(2000, 2000, 0)


def measurement(overhead=50.0):
    return Measurement(
        SAMPLES, Interval(overhead, overhead - 1, overhead + 1, 0.99), HITS, 0, None, "time", "hook"
    )


# Which states and sizes there are.


def test_sweep_changes_one_size_at_a_time_and_reaches_every_end():
    for key, value, entries in {(size.key_bytes, size.value_bytes, size.entries) for size in SWEEP}:
        assert [key, value, entries].count(8) + (entries == 1024) >= 2
    assert {size.key_bytes for size in SWEEP} >= {4, 256}
    assert {size.value_bytes for size in SWEEP} >= {8, 4096}
    assert {size.entries for size in SWEEP} >= {1, 1 << 20}


def test_sizes_asked_for_are_combined_and_the_rest_is_common():
    assert states.choose_sizes() == list(SWEEP)
    assert states.choose_sizes([4, 16], (), [10]) == [Size(4, 8, 10), Size(16, 8, 10)]


def test_state_none_always_comes_first_and_unknown_ones_are_bad_use():
    assert [state.name for state in states.choose_states(["lru_evict"])] == ["none", "lru_evict"]
    with pytest.raises(BadUseError, match="no map state is called 'lru_evic'; did you"):
        states.choose_states(["lru_evic"])


@pytest.mark.parametrize(
    ("state", "entries", "keys"),
    [
        ("empty_insert", 1, 0),
        ("warm_hit", 1, 1),
        ("warm_hit", 1000, 500),
        ("nearly_full_insert", 1000, 999),
        ("full_fail", 1000, 1000),
    ],
)
def test_keys_before_the_first_run(state, entries, keys):
    assert STATES[state].keys(Size(entries=entries)) == keys
    assert STATES[state].possible(Size(entries=entries))


@pytest.mark.parametrize("state", ["warm_insert", "nearly_full_hit"])
def test_map_of_one_entry_cannot_be_in_every_state(state):
    assert run.cells([STATES[state]], [Size(entries=1)], "tp_btf") == []


@pytest.mark.parametrize("keys", [1, 2, 3, 512, 1023, 1 << 15])
def test_every_key_has_its_turn(keys):
    stride = filled._stride(keys)
    assert {turn * stride % keys for turn in range(keys)} == set(range(keys))


# What is checked after measuring.


class Filled:
    def __init__(self, keys, outcomes):
        self.keys, self.ends = keys, outcomes

    def entries(self):
        return self.keys.pop(0)

    def outcomes(self):
        return self.ends


@pytest.fixture
def measured(monkeypatch):
    """Measure a state of a map of 10 entries, that holds so many keys, with such ends of runs."""

    def measure(state, keys, outcomes):
        @contextmanager
        def fake(state, size, cpu):
            yield Filled(keys, outcomes)

        monkeypatch.setattr(run, "filled", fake)
        monkeypatch.setattr(
            run,
            "measure_case",
            lambda case, *rest, compiled: Result(case, "measured", measurement=measurement()),
        )
        cells = run.cells([STATES[state]], [Size(entries=10)], "tp_btf")
        (found,) = run.measure(cells, Sampling())
        return found

    return measure


# Proven hits and the calls of the timed windows.
LEAST = 2000 + 4 * 1000


@pytest.mark.parametrize(
    ("state", "keys", "outcomes"),
    [
        ("empty_miss", [0, 0], Outcomes(LEAST, LEAST)),
        ("nearly_full_hit", [9, 9], Outcomes(LEAST + 1, LEAST + 1)),
        ("full_fail", [10, 10], Outcomes(LEAST, LEAST)),
        ("lru_evict", [10, 9], Outcomes(LEAST, LEAST)),
    ],
)
def test_run_that_did_what_its_state_says(measured, state, keys, outcomes):
    found = measured(state, keys, outcomes)
    assert found.result.status == "measured", found.result.reason
    assert found.evicted == (LEAST + 1 if state == "lru_evict" else 0)


@pytest.mark.parametrize(
    ("state", "keys", "outcomes", "reason"),
    [
        ("full_fail", [10, 10], Outcomes(LEAST, LEAST - 1), "5999 of 6000 runs ended in fail"),
        ("warm_hit", [5, 5], Outcomes(LEAST - 1, LEAST - 1), "5999 times in 6000 runs or more"),
        ("warm_insert", [5, 6], Outcomes(LEAST, LEAST), "5 keys before, 6 after"),
        ("full_fail", [9, 9], Outcomes(LEAST, LEAST), "9 keys before, 9 after"),
        ("lru_evict", [10, 10 + LEAST], Outcomes(LEAST, LEAST), "dropped no key in 6000 runs"),
    ],
)
def test_run_that_did_something_else_has_failed(measured, state, keys, outcomes, reason):
    found = measured(state, keys, outcomes)
    assert found.result.status == "failed"
    assert reason in (found.result.reason or "")
    assert found.result.measurement is None


def test_map_that_the_kernel_does_not_make_is_a_row_with_its_reason(measured, monkeypatch):
    @contextmanager
    def refuse(state, size, cpu):
        raise UnsupportedError("E2BIG at map creation")
        yield

    monkeypatch.setattr(run, "filled", refuse)
    (found,) = run.measure(run.cells([STATES["none"]], [Size()], "tp_btf"), Sampling())
    assert (found.result.status, found.result.reason) == ("unsupported", "E2BIG at map creation")


# What is shown of it.


@pytest.fixture
def record():
    def found(state, overhead, **size):
        (cell,) = run.cells([STATES[state]], [Size(**size)], "tp_btf")
        result = Result(cell.case, "measured", measurement=measurement(overhead))
        keys = STATES[state].keys(cell.size)
        return run.CellResult(cell, result, Outcomes(LEAST, LEAST), keys, keys)

    (refused,) = run.cells([STATES["lru_evict"]], [Size()], "tp_btf")
    results = [
        found("none", 30.0),
        found("warm_hit", 100.0),
        found("none", 40.0, key_bytes=256),
        found("warm_hit", 160.0, key_bytes=256),
        run.CellResult(refused, Result(refused.case, "refused", "EPERM", "run as root")),
    ]
    made = make_record(results, Sampling()) | {"machine": {"kernel": {"release": "6.1"}}}
    return json.loads(json.dumps(made))


def test_record_keeps_to_its_schema(record):
    jsonschema.validate(record, schema("map-state"))


def test_map_operation_is_what_the_program_without_it_does_not_cost(record):
    found = costs(record)
    assert found["warm_hit", (8, 8, 1024)] == Interval(70.0, 68.0, 72.0, 0.99)
    assert found["warm_hit", (256, 8, 1024)].estimate == 120.0
    assert sweep(record, "key_bytes") == [(8, 8, 1024), (256, 8, 1024)]


def test_rows_for_people(record):
    assert rows(record) == [
        ("none", "8/8/1024", "0", "30 ± 1", ""),
        ("warm_hit", "8/8/1024", "512", "100 ± 1", "70 ± 2"),
        ("none", "256/8/1024", "0", "40 ± 1", ""),
        ("warm_hit", "256/8/1024", "512", "160 ± 1", "120 ± 2"),
        ("lru_evict", "8/8/1024", "", "refused", ""),
    ]


def test_table_and_curve_by_the_size_of_a_key(record):
    lines = figure.markdown([record]).splitlines()
    assert lines[0] == "**native, 6.1**, ns per call, tp_btf"
    assert "| key | value | entries | warm_hit | lru_evict |" in lines
    assert "| 8 | 8 | 1,024 | 70 ± 2 | refused |" in lines
    pytest.importorskip("matplotlib")
    curve = figure.draw([record]).axes[0].containers[0]
    assert list(curve.lines[0].get_xdata()) == [8, 256]
    assert list(curve.lines[0].get_ydata()) == [70, 120]


def test_sizes_out_of_range_are_bad_use():
    ran = CliRunner().invoke(main, ["study", "map-state", "--key-bytes", "3"])
    assert ran.exit_code == ExitStatus.BAD_USE
    assert "3 is not in the range 4<=x<=256" in ran.output


def test_options_are_passed_on_to_a_guest_but_those_of_the_host(monkeypatch):
    passed = []

    def fake(kernel, arguments, say, sources, *, preload, restore, variant):
        passed.append((kernel, arguments, restore))
        return {"cases": [], "machine": {}}

    monkeypatch.setattr("ebpf_overhead.measure.in_guest.measure_in_guest", fake)
    options = ["--state=full_fail", "--entries=1", "--entries=2", "--cpu=0", "--wait", "--json"]
    CliRunner().invoke(main, ["study", "map-state", "--kernel=6.12", "--boot", *options])
    command = ["-m", "ebpf_overhead.cli", "study", "map-state", "--format", "json"]
    arguments = ["--state", "full_fail", "--entries", "1", "--entries", "2"]
    assert passed == [("6.12", [*command, *arguments], False)]


def test_worker_of_the_measured_cpu_alone_has_a_limit(monkeypatch):
    monkeypatch.setattr(filled.maps, "possible_cpus", lambda: 3)
    words = bytearray(3 * filled._WORKER_BYTES)
    filled._tell(words, STATES["warm_hit"], Size(entries=100), 1)
    program = SimpleNamespace(_workers=words)
    assert filled.FilledProgram.outcomes(program) == Outcomes(0, 0)
    limits = [filled._WORKER.unpack_from(words, at)[3] for at in filled._places()]
    assert limits == [0, 50, 0]
