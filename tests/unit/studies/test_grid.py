"""The three tables as rows of text, and the notes below them."""

from __future__ import annotations

import pytest
from records import EMPTY, MEASURED, record, unmeasured

from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.studies.grid.ranking import Differences, in_words, measured_apart
from ebpf_overhead.studies.grid.tables import notes, tables


def cases(*rows):
    return {**record(), "cases": [{**row} for row in rows]}


def test_one_table_a_program_in_catalogue_order_and_files_in_that_of_the_command():
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
        "mine",
        "another",
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
        unmeasured(attach, "refused", "no privileges", "be root")
        for attach in ("tracepoint", "kprobe")
    ]
    rows += [{**row, "program": "complex"} for row in rows]
    rows.append(unmeasured("fentry", "unsupported", "EPERM"))
    assert notes(cases(*rows)) == [
        "tracepoint, kprobe: refused: no privileges; be root",
        "fentry: unsupported: EPERM",
    ]


def test_rows_that_ran_out_of_time_are_marked():
    record = cases(EMPTY, {**EMPTY, "stopped_by": "precision"})
    (table,) = tables(record)
    assert [row[2].endswith(" ~") for row in table.rows] == [False, True, False]
    (note,) = notes(record)
    assert note == "~ not as precise as asked when the time was over: --time gives more"
    known = {**record, "options": {"scatter": {"relative": 0.004, "degrees": 5}}}
    (note,) = notes(known)
    assert note.endswith(
        "--time gives more, up to the 1.6 % of a call by which runs lie apart here"
    )
    assert notes(cases({**EMPTY, "stopped_by": "precision"})) == []


def timed(quiet, median, **changed):
    baseline = {"median": median, "q1": 90.0, "q3": 130.0}
    undisturbed = {"baseline": quiet, "probed": quiet + 50}
    return {**MEASURED, "baseline": baseline, "undisturbed": undisturbed, **changed}


def test_printed_columns_belong_together():
    (table,) = tables(cases(timed(100.0, 131.0)))
    assert [row[1] for row in table.rows] == ["100.0", "150.0"]


def test_a_machine_that_was_disturbed_is_told():
    rows = [
        timed(100.0, 109.0),
        timed(100.0, 118.2, attach="tracepoint"),
        timed(100.0, 131.4, attach="raw_tracepoint"),
        # A call of a function takes little, and so does what disturbs it.
        timed(1.1, 2.9, target="function"),
        timed(300.0, 900.0, beside={"programs": {"tp_btf": 63}, "together": False}),
    ]
    told = [line for line in notes(cases(*rows)) if "disturbed" in line]
    assert told == [
        "the machine was disturbed: an unprobed getpid took 100 ns in quiet moments, and up to"
        " 131 ns in the middle of a row; the table is of quiet moments"
    ]


def test_instructions_are_not_disturbed():
    rows = [{**MEASURED, "unit": "instructions"}, {**EMPTY, "unit": "instructions"}]
    assert not any("disturbed" in line for line in notes(cases(*rows)))


def test_what_the_reference_calls_tracepoint_is_explained_where_it_is_shown():
    assert "what the reference benchmark calls tracepoint" in notes(cases(MEASURED))[-1]
    assert notes(cases({**MEASURED, "attach": "kprobe"})) == []


def test_skipped_runs_and_foreign_statistics_are_lines_below_the_table():
    assert not any("skipped" in line or "statistics" in line for line in notes(cases(MEASURED)))
    told = " ".join(notes(cases({**MEASURED, "missed": 1_234, "statistics": True})))
    case = f"{MEASURED['attach']}/{MEASURED['program']}"
    assert f"{case}: the kernel skipped 1,234 of about 6,000 runs, because" in told
    assert "the kernel's run statistics were on while this was measured" in told


def test_many_kprobes_of_others_are_told_where_a_kprobe_was_measured():
    machine = {"bpf": {"kprobes": 10_000}}
    kprobe = {**MEASURED, "attach": "kprobe"}
    for rows, there, told in (
        ([MEASURED, kprobe], machine, True),
        ([MEASURED], machine, False),
        ([kprobe], {"bpf": {"kprobes": 63}}, False),
        ([kprobe], {"bpf": {}}, False),
        ([unmeasured("kprobe", "failed", "gone")], machine, False),
    ):
        said = [line for line in notes({**cases(*rows), "machine": there}) if "64 lists" in line]
        assert bool(said) is told
        assert all(line.startswith("10,000 kprobes of others") for line in said)


def test_what_a_program_did_in_vain_is_a_line_below_the_table():
    early = {"what": "returned early in 100 % of 1,000 runs", "times": 1000}
    late = {"what": "returned early in 100 % of 2,345 runs", "times": 2345}
    other = {"what": "found no key of map start in all of 9 calls"}
    given = cases(
        {**MEASURED, "attach": "tp_btf", "findings": [early, other]},
        {**MEASURED, "attach": "kprobe", "findings": [late]},
        {**MEASURED, "program": "mine.c", "findings": [late]},
    )
    assert notes(given)[:3] == [
        "simple (tp_btf, kprobe): returned early in 100 % of 1,000 runs",
        "simple (tp_btf): found no key of map start in all of 9 calls",
        f"mine.c ({MEASURED['attach']}): returned early in 100 % of 2,345 runs",
    ]


def test_hooks_that_came_or_went_are_a_line_below_the_table():
    changed = [{"kind": "bpf", "name": "program 7 theirs"}]
    given = cases({**MEASURED, "changed": changed}, {**MEASURED, "changed": changed})
    assert (
        "getpid: hooks of others came or went while it was measured: bpf program 7 theirs;"
        " measure again"
    ) in notes(given)


def test_programs_of_an_object_are_one_table():
    alone = {**MEASURED, "object": "mine.bpf.o", "program": "mine.bpf.o:enter"}
    beside = {"programs": {"tp_btf": 1, "kprobe": 2}, "together": True}
    together = {**alone, "program": "mine.bpf.o", "beside": beside}
    (table,) = tables(cases(together, alone))
    assert table.title == "mine.bpf.o: your own program"
    assert [row[0] for row in table.rows] == ["no probe", "4 programs together", "enter, tp_btf *"]


def ranked(*overheads, unit="ns", **changed):
    """Return a record of cases with these overheads, and with differences to 2 ns or exact."""
    width = 2.0 if unit == "ns" else 0.0
    names = ("kprobe", "fentry", "tp_btf", "tracepoint")
    rows = [
        {**MEASURED, "attach": attach, "unit": unit, "overhead": exactly(value), **changed}
        for attach, value in zip(names, overheads, strict=False)
    ]
    differences = [
        {
            "target": "getpid",
            "first": {"case": one, "attach": "x", "program": "y"},
            "second": {"case": other, "attach": "x", "program": "y"},
            "difference": exactly(overheads[one] - overheads[other], width),
            "paired": True,
        }
        for one in range(len(rows))
        for other in range(one)
    ]
    return {**cases(*rows), "differences": differences}


def exactly(value, width=0.0):
    return {
        "estimate": value,
        "low": value - width,
        "high": value + width,
        "confidence": 0.99,
    }


def test_cases_are_ranked_below_their_table():
    (table,) = tables(ranked(96.0, 50.0, 48.5))
    assert table.below == (
        "Cheapest first, each with what it costs more than the one before: tp_btf; fentry"
        " (+1.5 ns, -0.5 … +3.5: cannot be distinguished); kprobe (+46.0 ns, +44.0 … +48.0)",
    )


def test_ranks_of_instructions_are_exact():
    (table,) = tables(ranked(360.0, 129.0, 129.01, unit="instructions"))
    assert table.below[0].endswith(": fentry; tp_btf (the same); kprobe (+231.0 instructions)")


def test_a_difference_is_one_if_its_interval_says_so():
    """The interval is not symmetric: half its width says nothing about zero."""
    assert in_words(Interval(24.7, -0.6, 45.8, 0.99), "ns").endswith("cannot be distinguished")
    assert in_words(Interval(24.7, 0.6, 85.8, 0.99), "ns") == "+24.7 ns, +0.6 … +85.8"


def test_nothing_is_ranked_without_differences_or_alone():
    unranked = {**ranked(96.0, 50.0), "differences": []}
    assert [table.below for table in tables(unranked)] == [()]
    assert [table.below for table in tables(ranked(96.0))] == [()]
    assert [table.below for table in tables(record())] == [(), ()]


def test_differences_are_found_either_way_round():
    given = ranked(96.0, 50.0)
    kprobe, fentry = given["cases"]
    found = Differences(given)
    assert found.of(kprobe, fentry) == Interval(46.0, 44.0, 48.0, 0.99)
    assert found.of(fentry, kprobe) == Interval(-46.0, -48.0, -44.0, 0.99)
    assert found.of(fentry, fentry) is None


def test_differences_of_cases_that_did_not_take_turns_are_named():
    given = ranked(96.0, 50.0)
    assert measured_apart(given) == []
    given["differences"][0]["paired"] = False
    assert measured_apart(given)[0].startswith("not all cases took turns")
    exact = ranked(96.0, 50.0, unit="instructions")
    exact["differences"][0]["paired"] = False
    assert measured_apart(exact) == []


def test_each_kernel_has_its_own_ranking():
    given = ranked(96.0, 50.0, unit="instructions")
    for case in given["cases"]:
        case["kernel"] = "6.12.0"
    (table,) = tables(given)
    assert table.below[0].startswith("6.12.0: Cheapest first")
