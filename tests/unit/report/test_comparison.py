"""Two results by hand -> which rows differ, what is said of the others, what is refused."""

from __future__ import annotations

import json
import math

import pytest
from records import MEASURED, record

from ebpf_overhead.errors import BadUseError
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.report import comparison_tables, limits
from ebpf_overhead.report.comparison import compare
from ebpf_overhead.report.quantities import INSTRUCTIONS, Quantity, plain
from ebpf_overhead.report.side import Side, in_turns, of_record

COUNTED = {"clock": "icount", "CPU": "max"}
TIMED = {"clock": "wall", "CPU": "AMD EPYC"}


def counted(value, *of, **more):
    found = plain(value)
    return Quantity(what="overhead", of=of, unit=INSTRUCTIONS, value=found, exact=True, **more)


def timed(value, width, *of, **more):
    found = Interval(value, value - width, value + width, 0.99)
    return Quantity(what="overhead", of=of, unit="ns", value=found, **more)


def mean(value, *of):
    return Quantity(what="mean", of=of, unit="ns", value=plain(value), known=False)


def sides(before, after, basis=COUNTED, other=None, **reasons):
    return (
        Side(
            name="6.12",
            about="old",
            basis=basis,
            quantities=tuple(before),
            reasons=reasons.get("old", {}),
        ),
        Side(
            name="7.3",
            about="new",
            basis=other or basis,
            quantities=tuple(after),
            reasons=reasons.get("new", {}),
        ),
    )


def verdicts(before, after, basis=COUNTED):
    return [row.verdict for row in compare(*sides(before, after, basis)).rows]


def test_counted_numbers_differ_or_not():
    old = [counted(136, "a"), counted(136, "b"), counted(136, "c"), counted(986, "d")]
    new = [counted(137, "a"), counted(135, "b"), counted(136.4, "c"), counted(985.9, "d")]
    assert verdicts(old, new) == ["more", "less", "same", "same"]


def test_what_is_no_difference_grows_with_the_number():
    """Two runs of one kernel agree to a share of a long call, not to an instruction."""
    assert verdicts([counted(500_000, "a")], [counted(500_200, "a")]) == ["same"]
    assert verdicts([counted(500_000, "a")], [counted(500_300, "a")]) == ["more"]


def test_timed_numbers_differ_where_their_difference_excludes_nothing():
    old, new = [timed(100, 3, "a")], [timed(105, 3, "a")]
    assert verdicts(old, new, TIMED) == ["more"]  # 3 and 3 at right angles are 4.2
    assert verdicts(old, [timed(104, 3, "a")], TIMED) == ["same"]
    assert verdicts(old, [timed(95, 3, "a")], TIMED) == ["less"]


def test_among_many_rows_a_small_difference_may_be_chance():
    old = [timed(100, 3, str(number)) for number in range(50)]
    new = [timed(105, 3, "0"), timed(120, 3, "1"), *old[2:]]
    found = compare(*sides(old, new, TIMED))
    assert [row.verdict for row in found.rows[:3]] == ["perhaps", "more", "same"]
    assert [row.before.of for row in found.changed] == [("1",)]
    assert "~ 1 more by what may be chance among 50 rows" in comparison_tables.notes(found)[1]


def test_an_infinite_interval_and_no_interval_differ_from_nothing():
    wide = Quantity(
        what="overhead", of=("a",), unit="ns", value=Interval(9, -math.inf, math.inf, 0.99)
    )
    unknown = Quantity(what="average", of=("b",), unit="ns", value=plain(9), known=False)
    new = [timed(300, 1, "a"), unknown]
    assert verdicts([wide, unknown], new, TIMED) == ["same", "not judged"]


def test_different_clocks_are_refused_whatever_is_asked():
    old, new = sides([counted(1, "a")], [timed(1, 1, "a")], COUNTED, TIMED)
    for anyway in (False, True):
        with pytest.raises(BadUseError, match=r"6\.12 counts instructions and 7\.3 takes time"):
            compare(old, new, anyway=anyway)


def test_different_cpus_are_refused_or_said():
    old, new = sides([timed(1, 1, "a")], [timed(9, 1, "a")], TIMED, {**TIMED, "CPU": "Xeon"})
    with pytest.raises(BadUseError, match="CPU AMD EPYC and Xeon; --anyway"):
        compare(old, new)
    found = compare(old, new, anyway=True)
    assert "not the same in both: CPU, AMD EPYC and Xeon" in comparison_tables.notes(found)
    assert json.loads(comparison_tables.to_json(found))["not_the_same"] == {
        "CPU": ["AMD EPYC", "Xeon"]
    }


def test_units_never_meet():
    old, new = sides([counted(1, "a")], [timed(1, 1, "a")])
    with pytest.raises(BadUseError, match=r"no row in common; a \(instructions\) in the one"):
        compare(old, new)


def test_reasons_that_differ_in_numbers_only_are_one_line():
    reasons = {(f"call{number}", "empty"): f"not alike: +{number} ± 3" for number in range(8)}
    old, new = sides([counted(1, "a")], [counted(1, "a")], new={**reasons, ("b",): "EPERM"})
    _, alike, other = comparison_tables.notes(compare(old, new))
    assert alike.startswith("not measured in B: call0/empty, call1/empty, ")
    assert alike.endswith(
        "call5/empty and 2 more (--all names them): not alike: +0 ± 3; the others alike"
    )
    assert other == "not measured in B: b: EPERM"
    assert len(comparison_tables.notes(compare(old, new), everything=True)) == 10


def test_rows_of_one_only_and_reasons_are_said():
    reason = "unsupported: EPERM at load"
    old, new = sides(
        [counted(1, "a"), counted(5, "kprobe", "empty")],
        [counted(1, "a"), counted(7, "fsession")],
        new={("kprobe", "empty"): reason},
    )
    found = compare(old, new)
    assert comparison_tables.notes(found) == [
        "0 of 1 rows differ",
        "in A only: overhead of kprobe/empty",
        "in B only: overhead of fsession",
        f"not measured in B: kprobe/empty: {reason}",
    ]
    made = json.loads(comparison_tables.to_json(found))
    assert made["after"]["unmeasured"] == [{"of": ["kprobe", "empty"], "reason": reason}]
    assert [each["of"] for each in made["only_after"]] == [["fsession"]]


def test_a_program_that_was_compiled_otherwise_is_marked():
    found = compare(*sides([counted(1, "a", tag="x")], [counted(9, "a", tag="y")]))
    (table,) = comparison_tables.tables(found)
    assert table.rows[0][0] == "a ‡"
    assert any(
        line.startswith("‡ the program was compiled") for line in comparison_tables.notes(found)
    )


def test_only_what_changed_is_shown_unless_all_is_asked_for():
    old = [counted(100, "getpid", "fentry", "empty"), counted(100, "getpid", "kprobe", "empty")]
    new = [counted(150, "getpid", "fentry", "empty"), old[1]]
    found = compare(*sides(old, new))
    (table,) = comparison_tables.tables(found)
    assert table.title == "overhead, getpid; instr/op"
    assert table.headings == ("Case", "6.12", "7.3", "Difference", "Ratio")
    assert table.rows == [("fentry, empty", "100.0", "150.0", "+50.0", "1.50 +")]
    (table,) = comparison_tables.tables(found, everything=True)
    assert table.rows[1] == ("kprobe, empty", "100.0", "100.0", "+0.0", "1.00")
    text = comparison_tables.markdown(found)
    assert "| fentry, empty | 100.0 | 150.0 | +50.0 | 1.50 + |" in text
    assert text.startswith("A: 6.12 (old)  \nB: 7.3 (new)  \n")


def test_part_of_a_result_by_its_name_or_what_it_begins_with():
    both, _ = sides(
        [counted(1, "6.1.0-56", "old.bpf.o:f"), counted(2, "6.12.1", "new.bpf.o:f")], []
    )
    assert both.only("6.1").quantities[0].of == ("old.bpf.o:f",)
    assert both.only("old.bpf.o:f").quantities[0].of == ("6.1.0-56",)
    tagged = counted(1, "6.1.0-56", "empty", tag="x")
    assert [tagged.without(name).tag for name in ("6.1.0-56", "empty")] == ["x", ""]
    with pytest.raises(BadUseError, match=r"nothing called 'x'; choose 6\.1\.0-56, old"):
        both.only("x")


@pytest.mark.parametrize(
    ("text", "more", "exceeded"),
    [
        ("5%", 104, False),
        ("5%", 106, True),
        ("+5 %", 106, True),
        ("+3instr", 103, False),
        ("3instructions", 104, True),
        ("5%", 50, False),
    ],
)
def test_limits(text, more, exceeded):
    found = compare(*sides([counted(100, "a")], [counted(more, "a")]))
    assert bool(limits.exceeding(found, [limits.parse(text)])) == exceeded


@pytest.mark.parametrize("text", ["", "5", "-5%", "5kg", "%", "nan%"])
def test_what_is_no_limit_is_bad_use(text):
    with pytest.raises(BadUseError, match="is no limit; give one like"):
        limits.parse(text)


def test_more_throughput_is_no_cost_and_chance_is_no_excess():
    rate = Quantity(what="throughput", of=("a",), unit="/s", value=Interval(9, 8, 10, 0.99))
    much = Quantity(what="throughput", of=("a",), unit="/s", value=Interval(99, 98, 100, 0.99))
    found = compare(*sides([rate, timed(9, 3, "b")], [much, timed(10, 3, "b")], TIMED))
    assert found.changed
    assert limits.exceeding(found, [limits.parse("5%")]) == []


@pytest.mark.parametrize(
    ("before", "after", "text", "rows"),
    [
        ([counted(100, "a")], [counted(500, "a")], "3ns", "1 rows, in instructions,"),
        ([mean(1, "a")], [mean(9, "a")], "5%", "1 rows, in ns,"),
        ([mean(1, "a")], [mean(9, "a")], "3ns", "1 rows, in ns,"),
    ],
)
def test_limit_that_nothing_could_exceed_is_bad_use(before, after, text, rows):
    """A gate that lets everything pass would not be noticed."""
    found = compare(*sides(before, after))
    limit = limits.parse(text)
    with pytest.raises(BadUseError, match=rf"^none of {rows} can exceed \{limit}; compare without"):
        limits.exceeding(found, [limit])


def test_limits_of_another_unit_may_stand_beside_one_that_says_something():
    found = compare(*sides([counted(100, "a")], [counted(101, "a")]))
    assert limits.exceeding(found, [limits.parse("3ns"), limits.parse("5%")]) == []


def test_what_failed_since_exceeds_every_limit():
    old, new = sides(
        [counted(5, "a", asked=("a",)), counted(1, "b", asked=("b",))],
        [counted(1, "b", asked=("b",))],
        new={("a",): "failed: map full", ("c",): "failed: never measured"},
    )
    assert limits.exceeding(compare(old, new), [limits.parse("5%")]) == ["a: failed: map full"]


def test_two_cases_of_a_record_differ_as_the_record_says():
    made = record()
    first, second = MEASURED, json.loads(json.dumps(MEASURED))
    second.update(program="complex", overhead={**first["overhead"], "estimate": 51.0})
    made["cases"] = [first, second]
    made["differences"] = [
        {
            "first": {"case": 1},
            "second": {"case": 0},
            "difference": {"estimate": 1.0, "low": 0.5, "high": 1.5, "confidence": 0.99},
        }
    ]
    both = of_record(made, "run.json")
    old, new = both.only("simple"), both.only("complex")
    (apart,) = compare(old, new).rows
    (together,) = compare(old, new, paired=in_turns(made)).rows
    assert (apart.verdict, together.verdict) == ("same", "more")
    assert together.difference == Interval(1.0, 0.5, 1.5, 0.99)
    (reverse,) = compare(new, old, paired=in_turns(made)).rows
    assert reverse.difference == Interval(-1.0, -1.5, -0.5, 0.99)
