"""What a study is: a question, the rows that answer it, and how they are shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ebpf_overhead.hooks.cases import Case
from ebpf_overhead.report.record import Head, Record
from ebpf_overhead.report.table import Table


@dataclass(frozen=True)
class Figure:
    """What ``plot`` makes of a study's records.

    Attributes
    ----------
    markdown : callable
        Makes the tables that stand beside the figure, in Markdown.
    draw : callable
        Makes the figure, of matplotlib.
    """

    markdown: Callable[[Sequence[Record]], str]
    draw: Callable[[Sequence[Record]], Any]


def _nothing(record: Record) -> list[str]:
    return []


@dataclass(frozen=True)
class Defaults:
    """What the default runner measures, where the command line does not say otherwise.

    Attributes
    ----------
    about : str
        What the study's command does, for its help: a line, and after an empty one some more.
    attach, program, workload : tuple of str
        Names of attach types, programs and workloads; none for the standard ones.
    cases : callable
        Makes the study's cases of those that are chosen: under its conditions.
    """

    about: str
    attach: tuple[str, ...] = ()
    program: tuple[str, ...] = ()
    workload: tuple[str, ...] = ()
    cases: Callable[[list[Case]], list[Case]] = list


@dataclass(frozen=True)
class Study:
    """A question and everything that follows from it; the registry knows it by its name.

    Attributes
    ----------
    rows : tuple of type and type
        A record's case that was measured, and one that was not: dataclasses, of which JSON and
        its schema are made.
    head : type
        The record's other fields, a dataclass.
    tables : callable
        Makes a record's tables, for every format.
    notes : callable
        Makes what there is to say about the tables, one line each.
    figure : Figure or None
        What ``plot`` draws.
    defaults : Defaults or None
        What the default runner measures; None where the study's command has a runner of its own.
    """

    rows: tuple[type, type]
    head: type[Head]
    tables: Callable[[Record], list[Table]]
    notes: Callable[[Record], list[str]] = _nothing
    figure: Figure | None = None
    defaults: Defaults | None = None
