"""Inputs that nobody meant: valid ones with something wrong in them, and noise."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import strategies as st

NESTED = [[]]
for _ in range(100):
    NESTED = [NESTED]

# What stands in a JSON file in the place of something else.
WRONG_VALUES = st.one_of(
    st.sampled_from(
        [
            None,
            True,
            [],
            {},
            "",
            0,
            -1,
            2**63,
            -(2**70),
            1e308,
            float("nan"),
            float("inf"),
            float("-inf"),
            "\x1b]0;title\x07",
            "\u202e[/nope]",
            "\ud800",
            "a" * 5000,
            "6." + "1" * 5000,
            "../../../etc/passwd",
            "-",
            NESTED,
            [[]],
            {"": {}},
        ]
    ),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
)
# What is put between other bytes.
PIECES = st.one_of(
    st.sampled_from(
        [
            b"\0",
            b"\n",
            b"\n\n",
            b"\xff\xfe",
            b"\x1b[2J",
            b"[/nope]",
            b"9" * 5000,
            b"[" * 3000,
            b"{" * 3000,
            b"(" * 3000,
            b"%s%n",
            b"\xe2\x80\xae",
            b" " * 3000,
            b"NaN",
            b"\x7fELF",
            b"\xff" * 8,
        ]
    ),
    st.binary(max_size=16),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to each value inside a value of JSON."""
    found = [path]
    if len(path) > 20:
        return found
    if isinstance(value, dict):
        for key, inner in value.items():
            found += places(inner, (*path, key))
    if isinstance(value, list):
        for index, inner in enumerate(value[:3]):
            found += places(inner, (*path, index))
    return found


@st.composite
def wrong_json(draw: st.DrawFn, seeds: list[Any]) -> bytes:
    """A JSON document in which something has another type, is missing, or is there twice."""
    document = copy.deepcopy(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(places(document)))
        if not path:
            document = copy.deepcopy(draw(WRONG_VALUES)) if draw(st.booleans()) else document
            continue
        holder = document
        for step in path[:-1]:
            holder = holder[step]
        if draw(st.booleans()):
            holder[path[-1]] = copy.deepcopy(draw(WRONG_VALUES))  # The next round may change it.
        else:
            del holder[path[-1]]
    return json.dumps(document).encode("utf-8", "surrogatepass")


@st.composite
def wrong_bytes(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """Valid bytes with some cut out, changed, put in or repeated."""
    content = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        size = draw(st.integers(0, 64))
        change = draw(st.sampled_from(["cut", "end", "change", "put", "repeat", "number"]))
        if change == "cut":
            del content[at : at + size]
        elif change == "end":
            del content[at:]
        elif change == "change":
            content[at : at + size] = draw(st.binary(min_size=size, max_size=size))
        elif change == "put":
            content[at:at] = draw(PIECES)
        elif change == "repeat":
            content[at:at] = content[at : at + size] * 50
        else:
            content[at : at + 4] = draw(st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\0\0\0\x80"]))
    return bytes(content)


def wrong_document(seeds: list[Any]) -> st.SearchStrategy[bytes]:
    """Wrong types, and bytes that are no JSON at all."""
    texts = [json.dumps(seed).encode() for seed in seeds]
    return st.one_of(wrong_json(seeds), wrong_bytes(texts), st.binary(max_size=64))


def wrong_text(seeds: list[str | bytes]) -> st.SearchStrategy[bytes]:
    """Valid text with something wrong in it, and noise."""
    texts = [seed if isinstance(seed, bytes) else seed.encode() for seed in seeds]
    return st.one_of(wrong_bytes(texts), st.binary(max_size=256))


def wrong_word(seeds: list[str]) -> st.SearchStrategy[str]:
    """An argument of the command line: a good one that was changed, or noise without NUL."""
    return st.one_of(
        wrong_text(list(seeds)).map(
            lambda found: found.replace(b"\0", b"").decode("utf-8", "replace")
        ),
        st.text(st.characters(exclude_characters="\0"), max_size=40),
        st.sampled_from(["", "-", "--", "9" * 5000, "[" * 100_000, "1e999", "-1", "nan", "inf"]),
        st.sampled_from(seeds),
    )
