"""Programs that silently do less than they were written to do, on the running kernel."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from processes import start_probe_holder
from silent_sources import (
    DROPPING_QUEUE,
    EXISTING_AND_NO_ROOM,
    EXISTING_KEY,
    FAULT,
    FILTER,
    FILTER_BEHIND_TAIL_CALL,
    FULL_BEHIND_TAIL_CALL,
    FULL_FROM_THE_FIRST,
    LRU,
    NO_LONGER,
    PERF,
    SEEN,
    SELDOM,
    SMALL_RING,
    TAIL_CALL,
    TWO_MAPS,
)

from ebpf_overhead.hooks import existing
from ebpf_overhead.hooks.cases import Case, Program, select
from ebpf_overhead.measure import turns
from ebpf_overhead.measure.run import Result, Sampling, measure_case

QUICK = Sampling(time_s=0.05)
Measure = Callable[[str], Result]


@pytest.fixture
def program(tmp_path, some_attach_type) -> Callable[[str], Case]:
    """The case of a source."""

    def program(source: str) -> Case:
        path = tmp_path / "mine.c"
        path.write_text(source)
        (usual,) = select([some_attach_type], ["empty"])
        return replace(usual, program=Program("mine.c", "", "", path))

    return program


@pytest.fixture
def measured(program) -> Measure:
    return lambda source: measure_case(program(source), QUICK)


def whats(result: Result) -> list[str]:
    assert result.measurement is not None, result.reason
    return [each.what for each in result.measurement.findings]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (SEEN, r"lost updates: map seen full with 64 entries \(E2BIG in all of [\d,]+ calls of"),
        (TWO_MAPS, r"lost updates: map begun full with 16 entries \(E2BIG in all of [\d,]+ calls"),
        (
            EXISTING_AND_NO_ROOM,
            r"lost updates: map seen full with 64 entries \(E2BIG in (all|[\d,]+) of [\d,]+ calls",
        ),
        (LRU, r"lost entries: map last, of 512 entries, dropped [\d,]+ of them to take others in"),
        (
            EXISTING_KEY,
            r"failed to do its work \d+ times \(lost_updates\): bpf_map_update_elem of map counts"
            r" failed in all of [\d,]+ calls: EEXIST \(the key was there\)",
        ),
        (TAIL_CALL, r"made tail calls of map jumps that lead nowhere, in all of [\d,]+ calls"),
        (FULL_BEHIND_TAIL_CALL, r"lost updates: map seen full with 64 entries \(E2BIG in all of"),
        (SMALL_RING, r"bpf_ringbuf_output of map events failed in [\d,]+ of [\d,]+ calls: EAGAIN"),
    ],
    ids=[
        "full",
        "second map",
        "full behind EEXIST",
        "evicts",
        "EEXIST",
        "tail call",
        "full behind a tail call",
        "ring buffer",
    ],
)
def test_program_that_did_not_do_its_work_fails_and_says_why(measured, source, words):
    result = measured(source)
    assert result.status == "failed"
    assert re.search(words, result.reason), result.reason


def test_perf_buffer_of_any_name_has_a_reader(measured):
    result = measured(PERF)
    assert whats(result) == []
    measurement = result.measurement
    assert measurement.records >= measurement.hits.hits


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            FILTER,
            [
                r"found no key of map wanted in all of [\d,]+ calls",
                r"the program returned early in 100 % of [\d,]+ runs: it changed no map and handed"
                " nothing on",
            ],
        ),
        (FILTER_BEHIND_TAIL_CALL, [r"the program returned early in 100 % of [\d,]+ runs: .*"]),
        (SELDOM, [r"the program returned early in at least [\d.]+ % of [\d,]+ runs: .*"]),
        (NO_LONGER, [r"map counts was changed in none of [\d,]+ runs"]),
        (FAULT, [r"bpf_probe_read_user failed in all of [\d,]+ calls: EFAULT \(the memory .*\)"]),
        (FULL_FROM_THE_FIRST, []),
        (DROPPING_QUEUE, [r"map last, of 64 entries, dropped [\d,]+ to take others in"]),
    ],
    ids=[
        "filter",
        "filter behind a tail call",
        "seldom",
        "no longer",
        "fault",
        "map of one entry",
        "queue",
    ],
)
def test_what_was_in_vain_is_said(measured, source, words):
    found = whats(measured(source))
    assert len(found) == len(words)
    for what, pattern in zip(found, words, strict=True):
        assert re.fullmatch(pattern, what), what


def test_map_that_has_room_is_part_of_the_result(measured):
    (state,) = measured(FULL_FROM_THE_FIRST).measurement.maps
    assert (state.name, state.entries, state.max_entries) == ("one", 1, 1)


def test_program_of_others_that_comes_while_sampling_is_said(some_attach_type, monkeypatch):
    """It is there until the measurement has ended."""
    (case,) = select([some_attach_type], ["empty"])
    others = []
    usual = turns.Turns.run

    def joined(*arguments: object) -> object:
        others.append(start_probe_holder(some_attach_type))
        return usual(*arguments)

    monkeypatch.setattr(turns.Turns, "run", joined)
    try:
        result = measure_case(case, QUICK)
    finally:
        for other in others:
            other.communicate("", timeout=30)
    assert result.status == "measured", result.reason
    assert any("complex" in each.name for each in result.changed), result.changed
    assert not any("complex" in each.name for each in existing.of(case.workload))
