"""Reading files that somebody else may have made: bounded, checked, safe to show.

Every JSON file that a command reads is read here.  It is refused if it is larger than what
this program ever writes, nested too deeply, no UTF-8, or of other types than are expected.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from ebpf_overhead.errors import FailedError, OverheadError
from ebpf_overhead.printable import printable

_T = TypeVar("_T")

# The largest files are the records of long runs: some megabytes of single windows.
LARGEST_BYTES = 128 << 20
# An escape sequence of JSON (two that make one character; one by number; any other), or a
# character that may have to be quoted.
_SPECIAL = re.compile(
    r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u([0-9a-fA-F]{4})|\\.|[^\x00-\x7e]", re.DOTALL
)
_SHORT_CONTROLS = (r"\b", r"\f", r"\r")


def read_bytes(
    path: Path,
    *,
    limit_bytes: int = LARGEST_BYTES,
    error: type[OverheadError] = FailedError,
    remedy: str = "",
) -> bytes:
    """Return a file's content.

    Parameters
    ----------
    path : Path
        The file.
    limit_bytes : int
        What a larger file is refused at.
    error : type of OverheadError
        What is raised; `BadUseError` for a file that the user named.
    remedy : str
        What the user can do about it.

    Raises
    ------
    OverheadError
        The file cannot be read, or is too large.
    """
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            content = file.read(limit_bytes + 1)
    except (OSError, ValueError) as failure:  # ValueError: a zero byte in the name.
        why = getattr(failure, "strerror", None) or failure
        raise error(f"{path} cannot be read: {why}", remedy) from None
    if len(content) > limit_bytes:
        raise error(f"{path} is not read: it has more than {limit_bytes:,} bytes", remedy)
    return content


def read_text(
    path: Path,
    *,
    limit_bytes: int = LARGEST_BYTES,
    error: type[OverheadError] = FailedError,
    remedy: str = "",
) -> str:
    """Return a file's text; see `read_bytes`.

    Raises
    ------
    OverheadError
        The file cannot be read, is too large, or is no UTF-8.
    """
    content = read_bytes(path, limit_bytes=limit_bytes, error=error, remedy=remedy)
    try:
        return content.decode()
    except UnicodeDecodeError as failure:
        raise error(f"{path} is no UTF-8 text: {_why(failure)}", remedy) from None


def read_json(
    path: Path,
    kind: type[_T],
    *,
    limit_bytes: int = LARGEST_BYTES,
    error: type[OverheadError] = FailedError,
    remedy: str = "",
    allow_nan: bool = False,
) -> _T:
    """Return what a JSON file holds; see `read_bytes` and `parse_json`.

    Raises
    ------
    OverheadError
        The file cannot be read, or holds something else.
    """
    content = read_bytes(path, limit_bytes=limit_bytes, error=error, remedy=remedy)
    return parse_json(content, kind, str(path), error=error, remedy=remedy, allow_nan=allow_nan)


def parse_json(
    content: bytes,
    kind: type[_T],
    where: str,
    *,
    error: type[OverheadError] = FailedError,
    remedy: str = "",
    allow_nan: bool = False,
) -> _T:
    """Return what a JSON text holds.

    Control characters in its strings are replaced by their notation, so that whatever is
    shown of it later does nothing to a terminal.

    Parameters
    ----------
    content : bytes
        The text.
    kind : type
        What it must be: ``dict[str, float]``, a dataclass…
    where : str
        Named in the error.
    error, remedy
        See `read_bytes`.
    allow_nan : bool
        Whether NaN is a number: asv stores what was skipped so.

    Raises
    ------
    OverheadError
        It is no JSON, nested too deeply, or of another type.
    """
    try:
        # Not msgspec's own decoder: bounds that are not known are infinite in our records.
        constant = float if allow_nan else _infinite
        value = json.loads(_harmless(content.decode()), parse_constant=constant)
    except (ValueError, RecursionError) as failure:
        raise error(f"{where} cannot be used: {_why(failure)}", remedy) from None
    return convert(value, kind, where, error=error, remedy=remedy)


def convert(
    value: object,
    kind: type[_T],
    where: str,
    *,
    error: type[OverheadError] = FailedError,
    remedy: str = "",
) -> _T:
    """Return a value that was read from JSON as another type, such as a dataclass.

    Raises
    ------
    OverheadError
        It has other types than are expected; see `parse_json`.
    """
    import msgspec  # Not at the top: few commands read JSON.

    try:
        return msgspec.convert(value, kind)
    except (ValueError, RecursionError) as failure:
        raise error(f"{where} cannot be used: {_why(failure)}", remedy) from None


@contextmanager
def naming(
    where: str, *, error: type[OverheadError] = FailedError, remedy: str = ""
) -> Iterator[None]:
    """Turn what goes wrong while a file's values are used into an error that names the file.

    For files that other programs define and read, such as asv's: their types are not known here.
    """
    try:
        yield
    except (OverheadError, OSError):
        raise
    except Exception as failure:
        what = f"{type(failure).__name__}: {failure}"
        raise error(f"{where} cannot be used: {what}", remedy) from failure


def _without_waiting(path: str, flags: int) -> int:
    # Opening a pipe that nobody writes to would wait for ever.
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    os.set_blocking(descriptor, True)
    return descriptor


def _infinite(constant: str) -> float:
    if constant == "NaN":
        raise ValueError("NaN is no number")
    return float(constant)


def _why(failure: Exception) -> str:
    if isinstance(failure, UnicodeDecodeError):
        return f"byte {failure.object[failure.start]:#04x} at {failure.start}"
    if isinstance(failure, RecursionError):
        return "it is nested too deeply"
    return str(failure)


def _harmless(text: str) -> str:
    """Return a JSON text whose strings hold no control characters but line ends and tabs."""
    return _SPECIAL.sub(_without_control, text)


def _without_control(match: re.Match[str]) -> str:
    """Return an escape sequence or a character as it is, or quoted if it means a control."""
    found = match[0]
    if found in _SHORT_CONTROLS:
        return "\\" + found
    if match[1] is None:
        return printable(found).replace("\\", "\\\\") if len(found) == 1 else found
    number = int(match[1], 16)
    return found if number in (9, 10) or chr(number).isprintable() else "\\" + found


def cpu_numbers(cpu_list: str) -> list[int]:
    """Return the CPUs in a list like ``0-3,8``; none of one that is garbled."""
    if not re.fullmatch(r"\d+([,-]\d+)*", cpu_list):
        return []
    ranges = (part.split("-") for part in cpu_list.split(","))
    return [cpu for ends in ranges for cpu in range(int(ends[0]), int(ends[-1]) + 1)]
