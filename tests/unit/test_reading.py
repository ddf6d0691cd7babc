"""The one reader of JSON and other files."""

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ebpf_overhead.errors import BadUseError, FailedError, OverheadError
from ebpf_overhead.printable import printable, shortened
from ebpf_overhead.reading import convert, parse_json, read_bytes, read_json, read_text


@dataclass
class Thing:
    name: str
    sizes: tuple[int, ...] = ()


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "file"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_what_is_expected_is_read(file):
    assert read_json(file('{"name": "x", "sizes": [1, 2]}'), Thing) == Thing("x", (1, 2))
    assert read_json(file('{"a": [1.5, null]}'), dict[str, Any]) == {"a": [1.5, None]}
    assert convert({"name": "x"}, Thing, "here") == Thing("x")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('{"name": NaN}', "NaN is no number"),
        ('{"name": 1}', r"Expected `str`, got `int` - at `\$.name`"),
        ('{"name": "x", "sizes": 5}', r"at `\$.sizes`"),
        ('{"sizes": []}', "missing required field `name`"),
        ('{"name": "x", "sizes": [' + "9" * 5000 + "]}", "4300 digits"),
        (b'{"name": "\xff"}', "byte 0xff at 10"),
        ("", "Expecting value"),
        ("[]", "Expected `object`"),
    ],
)
def test_anything_else_is_an_error_that_names_the_file(file, content, why):
    with pytest.raises(BadUseError, match=f"file cannot be used: .*{why}.*; make it anew"):
        read_json(file(content), Thing, error=BadUseError, remedy="make it anew")


@pytest.mark.parametrize("text", ["[" * 10_000, '{"a": ' * 10_000, "[[" * 500_000])
def test_depth_is_bounded(text):
    with pytest.raises(FailedError, match="it cannot be used: it is nested too deeply"):
        parse_json(text.encode(), Any, "it")


def test_bounds_may_be_infinite_as_records_have_them():
    assert parse_json(b"[-Infinity, Infinity]", list[float], "it") == [-math.inf, math.inf]


def test_size_is_bounded_whatever_the_file_says_of_itself(file):
    assert read_bytes(file("abc"), limit_bytes=3) == b"abc"
    with pytest.raises(FailedError, match="more than 2 bytes"):
        read_bytes(file("abc"), limit_bytes=2)
    with pytest.raises(FailedError, match="more than 1,000 bytes"):
        read_bytes(Path("/dev/zero"), limit_bytes=1000)


def test_what_cannot_be_read(tmp_path, file):
    for path, why in ((tmp_path / "none", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(FailedError, match=why):
            read_bytes(path)
    with pytest.raises(FailedError, match="no UTF-8 text: byte 0xff at 1"):
        read_text(file(b"a\xff"))
    os.mkfifo(tmp_path / "pipe")
    assert read_bytes(tmp_path / "pipe") == b""  # Nobody writes to it: it does not wait.


CONTROL = "\x1b]0;title\x07\x9b31m\x08\x7f\r\u202eabc\u2028"


@pytest.mark.parametrize("ascii_only", [True, False])
def test_control_characters_in_strings_are_shown_and_not_obeyed(ascii_only):
    plain = 'C:\\x \\u001b "é" 😀 \n\t'
    text = json.dumps({"name": CONTROL + plain}, ensure_ascii=ascii_only)
    text = text.replace("title", "\\ud83d")  # Half a character, which no terminal could be sent.
    name = parse_json(text.encode(), Thing, "it").name
    assert name.endswith("abc\\u2028" + plain)
    assert name.replace("\n", "").replace("\t", "").isprintable()


def test_printable():
    assert printable("ordinary é 😀") == "ordinary é 😀"
    assert printable("a\x1b[2Jb\n\ud800", keep="\n") == "a\\x1b[2Jb\n\\ud800"
    assert shortened("x" * 5000) == "x" * 80 + "… (5000 characters)"
    assert shortened("a\nb") == "a\\nb"


def test_no_error_carries_a_terminal_escape():
    error = OverheadError("kernel \x1b[2J\n not here", "give \x9b another")
    assert str(error) == "kernel \\x1b[2J\n not here; give \\x9b another"


def test_no_error_is_endless():
    text = str(OverheadError("x" * 100_000, "\x1b" * 100_000))
    assert len(text) < 30_000
    assert "(100000 characters)" in text
