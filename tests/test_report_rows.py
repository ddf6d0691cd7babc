"""The three tables as rows of text, and the notes below them."""

from __future__ import annotations

import pytest
from records import EMPTY, MEASURED, record, unmeasured

from ebpf_overhead.report.rows import notes, tables


def cases(*rows):
    return {**record(), "cases": [{**row} for row in rows]}


def test_one_table_a_program_in_catalogue_order():
    shuffled = cases(
        {**MEASURED, "program": "mine"},
        {**MEASURED, "program": "complex"},
        MEASURED,
        EMPTY,
        {**MEASURED, "program": "another"},
    )
    assert [table.title.split(":")[0] for table in tables(shuffled)] == [
        "empty",
        "simple",
        "complex",
        "another",
        "mine",
    ]


def test_one_table_a_target_that_names_it_unless_it_is_getpid():
    rows = [{**MEASURED, "target": target} for target in ("getpid", "read", "sendto", "read")]
    assert [(table.title, len(table.rows)) for table in tables(cases(*rows))] == [
        ("simple: increments a hash map, key = pid", 2),
        ("simple (read): increments a hash map, key = pid", 3),
        ("simple (sendto): increments a hash map, key = pid", 2),
    ]


def test_columns_are_the_references_and_the_interval():
    for table in tables(record()):
        assert table.headings == (
            "Case",
            "ns/op",
            "Overhead ns/op",
            "99% interval",
            "Overhead percent",
        )
        assert all(len(row) == len(table.headings) for row in table.rows)


def test_instructions_are_never_called_nanoseconds():
    given = record()
    for case in given["cases"]:
        case["unit"] = "instructions"
    for table in tables(given):
        assert table.headings[1:3] == ("instr/op", "Overhead instr/op")
        assert "ns/op" not in "".join(table.headings)


def test_unprobed_call_comes_first_with_the_median_of_its_baselines():
    rows = [
        {**MEASURED, "baseline": {"median": median, "q1": 1, "q3": 1}} for median in (99, 101, 250)
    ]
    (table,) = tables(cases(*rows))
    assert table.rows[0] == ("no probe", "101.0", "", "", "")


def test_overhead_that_is_negative_or_not_there():
    below = {"estimate": -1.04, "low": -2.5, "high": 0.4, "confidence": 0.95}
    percent = {"estimate": -0.6, "low": -2.1, "high": 0.4}
    (table,) = tables(cases({**MEASURED, "overhead": below, "overhead_percent": percent}))
    assert table.rows[1] == ("tp_btf *", "150.0", "-1.0", "-2.5 … +0.4", "-1 %")
    assert table.headings[3] == "95% interval"


@pytest.mark.parametrize("status", ["unsupported", "refused", "failed"])
def test_unmeasured_row_shows_its_status_and_no_number(status):
    (table,) = tables(cases(unmeasured("fentry", status, "EPERM at load")))
    assert table.rows == [
        ("no probe", "n/a", "", "", ""),
        ("fentry", "n/a", "", status, ""),
    ]


def test_a_reason_is_told_once_for_all_rows_that_have_it():
    rows = [
        unmeasured(attach, "refused", "no rights", "be root") for attach in ("tracepoint", "kprobe")
    ]
    rows += [{**row, "program": "complex"} for row in rows]
    rows.append(unmeasured("fentry", "unsupported", "EPERM"))
    assert notes(cases(*rows)) == [
        "tracepoint, kprobe: refused: no rights; be root",
        "fentry: unsupported: EPERM",
    ]


def test_rows_that_ran_out_of_time_are_counted():
    (note,) = notes(cases(EMPTY, {**EMPTY, "stopped_by": "precision"}))
    assert note.startswith("1 of 2 rows stopped by time")
    assert notes(cases({**EMPTY, "stopped_by": "precision"})) == []


def baseline(median, **changed):
    return {**MEASURED, "baseline": {"median": median, "q1": 90.0, "q3": 130.0}, **changed}


def test_rows_that_were_measured_while_the_machine_was_slower_are_named():
    rows = [
        baseline(100.0),
        baseline(109.0, attach="raw_tracepoint"),
        baseline(118.2, attach="tracepoint", program="complex"),
        baseline(111.0, attach="tracepoint"),
        # Other calls have other baselines.
        baseline(180.0, target="read"),
        baseline(150.0, bystander={"call": "getppid", "process": "other"}),
        baseline(240.0, beside={"programs": {"tp_btf": 1}, "together": False}),
    ]
    told = [line for line in notes(cases(*rows)) if "disturbed" in line]
    assert told == [
        "the machine was disturbed: getpid took 100 ns unprobed at best, and while these were"
        " measured: tracepoint/complex 118, tracepoint/simple 111; measure them again"
    ]


def test_instructions_are_not_disturbed():
    rows = [baseline(100.0, unit="instructions"), baseline(300.0, unit="instructions")]
    assert not any("disturbed" in line for line in notes(cases(*rows)))


def test_what_the_reference_calls_tracepoint_is_explained_where_it_is_shown():
    assert "what the reference benchmark calls tracepoint" in notes(cases(MEASURED))[-1]
    assert notes(cases({**MEASURED, "attach": "kprobe"})) == []


def test_rows_that_were_measured_twice_are_named():
    told = notes(cases(MEASURED, {**MEASURED, "attach": "tracepoint", "repeated": True}))
    assert "measured twice, as the machine was disturbed at first: tracepoint/simple" in told
