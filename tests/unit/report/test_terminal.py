"""The tables on a terminal: complete, at any width, and not taken for markup."""

from __future__ import annotations

import io

import pytest
from records import record
from rich.console import Console

from ebpf_overhead.studies.grid.tables import tables
from ebpf_overhead.studies.registry import print_tables


def shown(given, width: int = 80) -> str:
    stream = io.StringIO()
    print_tables(given, Console(file=stream, width=width))
    return stream.getvalue()


@pytest.mark.parametrize("width", [80, 120])
def test_everything_of_the_tables_is_shown(width):
    text = shown(record(), width)
    assert max(map(len, text.splitlines())) <= width
    lines = {" ".join(line.split()) for line in text.splitlines()}
    for table in tables(record()):
        assert table.title in lines
        assert all(heading.split()[-1] in text for heading in table.headings)
        assert {" ".join(" ".join(row).split()) for row in table.rows} <= lines
    flowing = " ".join(text.split())
    assert "EPERM at attach: CAP_BPF missing; run as root, or grant it" in flowing
    assert "did not fire once a call: 0 hits for 1000 calls" in flowing


def test_summary_says_what_proves_the_tables():
    flowing = " ".join(shown(record()).split())
    assert "2 of 5 cases measured on kernel 6.12.48+deb13-amd64" in flowing
    told = "4000 hits for 4000 counted calls, 12345 foreign hits separated"
    assert f"{told}; 6 loads, each checked to run" in flowing
    assert "2.0 s in all (start 0.3, sample 1.5, other 0.2)" in flowing


def test_programs_that_were_loaded_once_are_told_to_have_hit_only():
    given = record()
    for case in given["cases"]:
        if "loadings" in case:
            case["loadings"] = 1
    assert "loadings" not in shown(given)


def test_stored_results_have_no_hits_and_no_phases():
    given = record()
    del given["phases_s"]
    for case in given["cases"]:
        case.pop("hits", None)
    text = shown(given)
    assert "hits" not in text.replace("0 hits for 1000 calls", "")
    assert "in all" not in text


def test_reasons_are_no_markup():
    given = record()
    given["cases"][3]["reason"] = "[red]EPERM[/red] at load"
    assert "[red]EPERM[/red] at load" in shown(given)
    assert "\x1b" not in shown(given), "no colours in a file"
