"""Files of the user's own beside each other, and what is known of each before it runs."""

from __future__ import annotations

from records import EMPTY, MEASURED, record

from ebpf_overhead.studies.grid.tables import tables

STATIC = {
    "instructions": 29,
    "translated_instructions": 33,
    "jited_bytes": 162,
    "stack_bytes": [16, 8],
    "verified_instructions": 1031,
    "verifier_states": 3,
    "verifier_peak_states": 2,
    "map_bytes": {"counts": 918_544, "lost": 320},
}


def interval(estimate, half=0.0):
    low, high = estimate - half, estimate + half
    return {"estimate": estimate, "low": low, "high": high, "confidence": 0.99}


def row(program, attach, overhead, **changed):
    return {
        **MEASURED,
        "program": program,
        "attach": attach,
        "overhead": interval(overhead),
        "static": STATIC,
        **changed,
    }


def made(*rows, half=0.0):
    """Return a record of rows with all differences between them."""
    differences = [
        {
            "first": {"case": one},
            "second": {"case": other},
            "difference": interval(
                rows[one]["overhead"]["estimate"] - rows[other]["overhead"]["estimate"], half
            ),
        }
        for one in range(len(rows))
        for other in range(one)
        if "overhead" in rows[one] and "overhead" in rows[other]
    ]
    return tables({**record(), "cases": [*rows], "differences": differences})


def named(found, word):
    return [table for table in found if word in table.title]


def test_the_second_file_is_compared_with_the_first_by_attach_type():
    found = made(
        row("old.c", "tp_btf", 90.0),
        row("old.c", "kprobe", 140.0),
        row("new.c", "kprobe", 120.0),
        row("new.c", "tp_btf", 91.0),
        half=2.0,
    )
    (table,) = named(found, "instead")
    assert table.title == "new.c instead of old.c: overhead, ns/op"
    assert table.headings == ("Case", "old.c", "new.c", "Difference", "99% interval")
    assert table.rows == [
        ("kprobe", "+140.0", "+120.0", "-20.0", "-22.0 … -18.0"),
        ("tp_btf", "+90.0", "+91.0", "+1.0", "-1.0 … +3.0"),
    ]
    assert table.below == ("tp_btf: the two cannot be distinguished",)


def test_what_is_alone_in_both_is_compared_wherever_it_is_attached():
    (table,) = named(made(row("old.o", "kprobe", 90.0), row("new.o", "fentry", 60.0)), "instead")
    assert [each[0] for each in table.rows] == ["kprobe → fentry"]
    assert table.below == ()


def test_programs_of_objects_are_compared_by_their_functions():
    def both(name, *overheads):
        rows = [
            row(f"{name}:{each}", "tp_btf", overhead, object=name)
            for each, overhead in zip(("enter", "exit"), overheads, strict=True)
        ]
        beside = {"programs": {"tp_btf": 1}, "together": True}
        whole = row(name, "tp_btf", sum(overheads), object=name, beside=beside)
        return [whole, *rows]

    found = made(*both("old.o", 10.0, 20.0), *both("new.o", 11.0, 25.0))
    (table,) = named(found, "instead")
    assert [(each[0], each[3]) for each in table.rows] == [
        ("2 programs together", "+6.0"),
        ("enter, tp_btf", "+1.0"),
        ("exit, tp_btf", "+5.0"),
    ]
    (known,) = named(found, "Before they run")
    assert [each[0] for each in known.rows] == [
        f"{name}:{function}" for name in ("old.o", "new.o") for function in ("enter", "exit")
    ]


def test_each_kernel_and_workload_is_compared_with_itself():
    found = made(
        row("old.c", "tp_btf", 90.0, kernel="6.1.0"),
        row("new.c", "tp_btf", 80.0, kernel="6.1.0"),
        row("new.c", "tp_btf", 70.0, kernel="7.3.0"),
        row("old.c", "tp_btf", 75.0, kernel="7.3.0", target="read"),
        row("new.c", "tp_btf", 70.0, kernel="7.3.0", target="read"),
    )
    (table,) = named(found, "instead")
    assert [(each[0], each[3]) for each in table.rows] == [
        ("tp_btf, 6.1.0", "-10.0"),
        ("tp_btf, read, 7.3.0", "-5.0"),
    ]


def test_what_was_not_measured_is_not_compared():
    failed = {**MEASURED, "program": "new.c", "status": "failed", "reason": "no", "remedy": None}
    del failed["overhead"]
    assert named(made(row("old.c", "tp_btf", 90.0), failed), "instead") == []
    assert named(made(row("old.c", "tp_btf", 90.0)), "instead") == []


def test_what_is_known_of_programs_before_they_run():
    unknown = {**STATIC, "jited_bytes": None, "stack_bytes": [], "map_bytes": {}}
    found = made(
        {**EMPTY, "static": STATIC},
        row("old.c", "tp_btf", 90.0),
        row("old.c", "kprobe", 140.0),
        row("new.c", "tp_btf", 80.0),
        row("new.c", "kprobe", 130.0, static=unknown),
    )
    (table,) = named(found, "Before they run")
    known = ("29", "33", "1,031", "3", "162", "16+8", "918,864")
    assert table.rows == [
        ("old.c", *known),
        ("new.c, tp_btf", *known),
        ("new.c, kprobe", "29", "33", "1,031", "3", "n/a", "n/a", "0"),
    ], "programs of the catalogue are not among them"
    assert len(table.headings) == len(table.rows[0])
