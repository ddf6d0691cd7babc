"""What is fuzzed: a format, how nonsense of its kind is made, and what reads it."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from hypothesis import strategies as st
from mutations import wrong_document, wrong_text, wrong_word

from ebpf_overhead.cli import main
from ebpf_overhead.errors import OverheadError

ROOT = Path(__file__).parents[2]
RECORDS = ROOT / "tests" / "data" / "records"
RESULTS = ROOT / "results" / "kernels" / "vm"
RELEASE = "6.12.1-amd64"
USER_ERRORS = (OverheadError, click.ClickException, click.exceptions.Exit, click.Abort, SystemExit)


@dataclass(frozen=True)
class Format:
    """A kind of input.

    Parameters
    ----------
    inputs : strategy
        Makes inputs with something wrong in them.
    use : callable
        Does with an input, in an empty directory, what a command does.
    valid : sequence
        Inputs that must be accepted.
    answers : tuple of exception types
        How an input may be refused.
    weight : int
        Takes so many times as long as others, and gets fewer inputs.
    """

    inputs: st.SearchStrategy[Any]
    use: Callable[[Any, Path], object]
    valid: Sequence[Any] = ()
    answers: tuple[type[BaseException], ...] = (OverheadError,)
    weight: int = 1


FORMATS: dict[str, Format] = {}


def put(place: Path, name: str, content: bytes) -> Path:
    path = place / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@contextlib.contextmanager
def chdir(place: Path) -> Iterator[None]:
    """Work in a directory: contextlib has this from Python 3.11."""
    before = Path.cwd()
    os.chdir(place)
    try:
        yield
    finally:
        os.chdir(before)


def run(*arguments: str) -> None:
    """Run a command as `main` does, without what makes one line of every exception."""
    with contextlib.redirect_stdout(io.StringIO()) as shown, contextlib.redirect_stderr(shown):
        try:
            main.main(list(arguments), standalone_mode=False)
        finally:
            text = shown.getvalue()
            assert "\x1b" not in text, text
            assert "\u202e" not in text, text


def documents(name: str, seeds: Sequence[Any], use: Callable[[bytes, Path], object], **more: Any):
    valid = [json.dumps(each).encode() for each in seeds]
    FORMATS[name] = Format(wrong_document(list(seeds)), use, valid, **more)


def texts(name: str, seeds: Sequence[str | bytes], use: Callable[[bytes, Path], object], **more):
    valid = [each.encode() if isinstance(each, str) else each for each in seeds]
    FORMATS[name] = Format(wrong_text(list(seeds)), use, valid, **more)


def words(name: str, seeds: list[str], use: Callable[[str, Path], object], **more: Any) -> None:
    FORMATS[name] = Format(wrong_word(seeds), use, (), **more)
