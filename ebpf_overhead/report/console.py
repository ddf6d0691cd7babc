"""Tables and lines on a terminal, which fit into its width, or in a file, as wide as they are."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Collection, Iterator, Sequence
from typing import Any, TextIO

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ebpf_overhead.printable import printable

# Wider than any table: what is piped has its natural width.
NATURAL_WIDTH = 100_000
# Words are folded down to this width, where a terminal has no room for all of them.
_NARROWEST_WORDS = 12
# Two columns between cells, one at each side: what SIMPLE_HEAD with this padding adds to them.
_PADDING = (0, 1, 0, 0)


class PlainConsole(Console):
    """A console that takes no string for markup, and lets no control character through.

    Names of processes, functions and programs, and whatever a file says, are other people's:
    ``[/nope]`` would be an error, and an escape sequence would be obeyed.  Style comes from
    `rich.text.Text` and ``style=``.
    """

    def render_str(self, text: str, **options: Any) -> Text:
        """Return the text that a string becomes: in a table's cell, a title, or by itself."""
        plain = {"markup": False, "emoji": False}
        return super().render_str(printable(text, keep="\n\t"), **{**options, **plain})

    def on_broken_pipe(self) -> None:
        """Raise the error at hand again: rich itself would end the process with status 1.

        The command line knows the exit status of a command whose reader went away.
        """
        raise


def console_on(stream: TextIO) -> Console:
    """Return what prints on a stream, at the width of a terminal or at the natural one."""
    console = PlainConsole(file=stream, highlight=False)
    if not console.is_terminal:
        console.width = NATURAL_WIDTH
    return console


def print_line(console: Console, line: str, style: str = "") -> None:
    """Print a line, broken between words where it is too wide for a terminal."""
    for part in Text(printable(line, keep="\n"), style=style).wrap(
        console, console.width, overflow="fold"
    ):
        part.rstrip()
        console.print(part, soft_wrap=True)


def print_table(
    console: Console,
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    title: str = "",
    words: Collection[int] = (0,),
    dim: Collection[int] = (),
) -> None:
    """Print a table, and no number in it is ever cut.

    Where it is too wide, headings are broken into lines, then words are folded; if the numbers
    alone are too wide, they continue in a second table under the first, beside the same words.

    Parameters
    ----------
    console : rich.console.Console
        Where to print.
    headings : sequence of str
        One per column.
    rows : sequence of sequence of str
        Cells, as many as headings.
    title : str, optional
        Line above the table.
    words : collection of int, optional
        Numbers of the columns that hold words: to the left, folded if need be.
    dim : collection of int, optional
        Numbers of rows to be shown dim.
    """
    if title:
        print_line(console, title, "bold")
    cells = [[printable(cell) for cell in row] for row in rows]
    for columns, widths in _parts(headings, cells, words, console.width):
        table = Table(box=box.SIMPLE_HEAD, padding=_PADDING)
        for column, width in zip(columns, widths, strict=True):
            is_words = column in words
            table.add_column(
                Text(_broken(headings[column], width)),
                width=width,
                justify="left" if is_words else "right",
                vertical="top",
                no_wrap=not is_words,
                overflow="fold",
            )
        for number, row in enumerate(cells):
            style = "dim" if number in dim else None
            table.add_row(*(Text(row[column]) for column in columns), style=style)
        console.print(table)


def _parts(
    headings: Sequence[str], rows: Sequence[Sequence[str]], words: Collection[int], room: int
) -> Iterator[tuple[list[int], list[int]]]:
    """Yield the columns of each table and their widths."""
    everything = range(len(headings))
    cells = [max((cell_len(row[each]) for row in rows), default=0) for each in everything]
    natural = [max(cells[each], cell_len(headings[each])) for each in everything]
    if _total(natural) <= room:
        yield list(everything), natural
        return
    narrow = [max(cells[each], _longest_word(headings[each])) for each in everything]
    least = [
        min(narrow[each], max(_NARROWEST_WORDS, 0 if each else room // 3))
        if each in words
        else narrow[each]
        for each in everything
    ]
    first = list(itertools.takewhile(lambda each: each in words, everything))
    columns: list[int] = []
    for each in everything:
        if columns != first and columns and _total([least[c] for c in [*columns, each]]) > room:
            yield columns, _widened(columns, least, narrow, natural, room)
            columns = list(first)
        columns.append(each)
    yield columns, _widened(columns, least, narrow, natural, room)


def _widened(
    columns: list[int], least: list[int], narrow: list[int], natural: list[int], room: int
) -> list[int]:
    """Return the widths of columns, given what room there is: first to words, then to headings."""
    widths = [least[each] for each in columns]
    for wanted in (narrow, natural):
        for place, each in enumerate(columns):
            left = max(room - _total(widths), 0)
            widths[place] = min(wanted[each], widths[place] + left)
    return widths


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + 2 * len(widths) + 1


def _longest_word(text: str) -> int:
    return max((cell_len(word) for word in text.split()), default=0)


def _broken(heading: str, width: int) -> str:
    return "\n".join(textwrap.wrap(heading, max(width, 1), break_long_words=False)) or heading
