"""Tables on a terminal of 80 columns and in a pipe: numbers whole, words folded."""

from __future__ import annotations

import io
import os
import pty
import random
import re

import pytest
from processes import ROOT
from rich.console import Console

from ebpf_overhead.report.console import console_on, print_line, print_table

NUMBERS = [f"+{1000 * n}.5 (1,234.5 … 2,222.2)" for n in range(1, 7)]
HEADINGS = ["Case", *(f"Overhead number {n} of six" for n in range(1, 7))]


def shown(width: int | None, headings, rows, **settings) -> list[str]:
    stream = io.StringIO()
    console = console_on(stream)
    if width is not None:
        console.width = width
    print_table(console, headings, rows, **settings)
    return stream.getvalue().splitlines()


@pytest.mark.parametrize("count", range(1, 7))
@pytest.mark.parametrize("width", [60, 80, 132])
def test_numbers_are_never_cut(count, width):
    name = "getpid/tracepoint/a_program_with_a_long_name.c"
    lines = shown(width, HEADINGS[: count + 1], [(name, *NUMBERS[:count])] * 2)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    for number in NUMBERS[:count]:
        assert text.count(number) == 2
    assert "…" not in text.replace(" … ", "")
    words = " ".join(text.split())
    for heading in HEADINGS[: count + 1]:
        assert all(word in words for word in heading.split())


def test_words_are_folded_and_complete():
    name = "a_program_with_a_name_that_is_longer_than_the_terminal_is_wide_by_far.c"
    lines = shown(60, ["Case", "ns/op"], [(name, "105.5")])
    cells = [line.split()[0] for line in lines[3:] if line.strip()]
    assert "".join(cells) == name


def test_natural_width_in_a_pipe(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = shown(None, HEADINGS, [("x" * 100, *NUMBERS)])
    assert " ".join(HEADINGS) == " ".join(lines[1].split())
    assert len(lines[3]) == len(lines[1]) > 200
    assert lines[3].split()[0] == "x" * 100


def test_width_of_the_terminal_counts(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    reader, writer = pty.openpty()
    with os.fdopen(writer, "w") as terminal, os.fdopen(reader):
        assert console_on(terminal).width == Console(file=terminal).width


@pytest.mark.parametrize(("width", "count"), [(40, 2), (None, 1)])
def test_line_is_broken_between_words_on_a_terminal_only(width, count):
    stream = io.StringIO()
    console = console_on(stream)
    console.width = width or console.width
    print_line(console, "what is longer than a line of forty columns has to go on below it")
    lines = stream.getvalue().splitlines()
    assert len(lines) == count
    assert not any(line.endswith(" ") for line in lines)


def test_neither_markup_nor_escapes_come_from_names():
    (_, heading, _, row, *_) = shown(80, ["Case", "ns/op"], [("[red]a\x1b[2Jb[/red]", "1.0")])
    assert heading.split() == ["Case", "ns/op"]
    assert row.split() == ["[red]a\\x1b[2Jb[/red]", "1.0"]


def test_empty_table():
    assert "Case" in "\n".join(shown(80, ["Case", "ns/op"], []))


def made_up_table(chance: random.Random):
    """Headings, rows and the columns of words of a table of any shape."""
    count = chance.randint(1, 9)
    words = tuple(range(chance.randint(1, min(count, 3))))

    def cell(column: int) -> str:
        if column in words:
            letters = "abcdefgh_/.é "
            return "".join(chance.choice(letters) for _ in range(chance.randint(0, 60)))
        return f"{chance.uniform(-1, 1) * 10 ** chance.randint(0, 12):+,.{chance.randint(0, 3)}f}"

    headings = [" ".join(["word"] * chance.randint(1, 4)) for _ in range(count)]
    return headings, [[cell(each) for each in range(count)] for _ in range(3)], words


@pytest.mark.parametrize("seed", range(300))
def test_any_table_fits_a_terminal_and_keeps_its_numbers(seed):
    headings, rows, words = made_up_table(random.Random(seed))
    lines = shown(80, headings, rows, words=words)
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines).split()
    for row in rows:
        numbers = [cell for column, cell in enumerate(row) if column not in words]
        assert all(number in text for number in numbers)
    letters = "".join("".join(text).split("─"))
    for row in rows:
        for column in words:
            assert all(letters.count(each) >= row[column].count(each) for each in "abcdefgh")


# They make tables that are no tables of numbers, and have tests of their own: what doctor says,
# the facts of an estimate; and a live display, which has no room to fold anything.
OTHER_TABLES = {"cli/doctor.py", "tools/estimate/text.py", "tools/top/text.py", "report/console.py"}


def test_every_table_is_printed_in_the_one_way():
    package = ROOT / "ebpf_overhead"
    own = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if re.search(r"rich(\.table)? import .*Table\b", path.read_text())
    }
    assert own == OTHER_TABLES
