"""The words of docs/glossary.md: each is defined once, and abolished ones do not come back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GLOSSARY = ROOT / "docs/glossary.md"

# Where the words have been cleaned up.  The list only grows.
ROOMS = (
    *("api", "asv", "bpf", "cli", "guest", "hooks", "kernels", "machine", "programs", "report"),
    *("studies", "tools", "workload"),
)
CLEANED = (
    "CONTRIBUTING.md",
    "docs/glossary.md",
    "benchmarks",
    "probes",
    *(f"ebpf_overhead/{room}" for room in ROOMS),
    *(f"tests/unit/{room}" for room in ROOMS),
)
# Pattern -> what to write.  The words are those of the glossary's last column and of its style.
ABOLISHED = {
    r"rights\b": "privileges",
    r"witness(es)?\b": "caller counter",
    r"dear(er|est)?\b": "expensive",
    r"compan(y|ies)\b": "probe group",
    r"cohabit\w*": "co-attached",
    r"occupants?\b": "existing hooks",
    r"residues?\b": "after detach",
    r"(re)?load(s|ed|ing)? anew\b": "reload",
    r"anew\b": "again",
    r"by lot\b": "in random order",
    r"told apart\b": "separated",
    r"(ns|instructions?|bytes|times|events?|ticks|calls?|runs?|windows?)"
    r" an? (call|run|second|CPU|core|window|minute)\b": "per",
    r"an? (row|thread|line|test) an? (CPU|call|case|program|run|kernel)\b": "per",
}
# Names in stored records and results, which keep them.
STORED = re.compile(
    r"""(["'.])(residue|occupants|cohabit(ation)?(_1)?)\b|^\s*(residue|occupants) ?:|"""
    r"""\boccupants=|--bench cohabitation"""
)
# What may stay: the glossary itself names what it abolishes.
EXCEPTIONS = {
    "docs/glossary.md": "names the words that it replaces",
}


def texts(path: Path) -> list[Path]:
    """Return the files of a room that people wrote."""
    if path.is_file():
        return [path]
    kinds = ("*.py", "*.pyi", "*.c", "*.h", "*.md")
    return sorted(found for kind in kinds for found in path.rglob(kind))


def abolished_in(text: str) -> dict[int, str]:
    """Return the lines that use an abolished word, with the word to write instead."""
    return {
        number: f"{line.strip()} -> {instead}"
        for number, line in enumerate(text.splitlines(), 1)
        for pattern, instead in ABOLISHED.items()
        if re.search(rf"(?<![\w/-]){pattern}", STORED.sub("", line), re.IGNORECASE)
    }


def table() -> list[list[str]]:
    """Return the rows of the glossary's tables: word, meaning, abolished words."""
    rows = re.findall(r"^\| (.*) \|$", GLOSSARY.read_text().replace("| |", "|  |"), re.M)
    cells = [[cell.strip() for cell in re.split(r"\|", row)] for row in rows]
    return [each for each in cells if each[0] not in ("word", "---")]


def test_every_word_is_defined_once_in_one_short_sentence():
    words = [word for word, *_ in table()]
    assert len(words) > 30
    assert len(words) == len(set(words))
    for word, meaning, _ in table():
        sentences = re.split(r"(?<=[.;:]) ", meaning)
        assert meaning.endswith("."), word
        assert all(len(sentence.split()) <= 25 for sentence in sentences), word


def test_abolished_words_of_the_glossary_are_looked_for():
    for word, _, instead in table():
        for old in filter(None, re.split(r", ", instead)):
            if "(" not in old:  # of some places only
                assert abolished_in(old), f"{old} (now {word}) is in no pattern"


@pytest.mark.parametrize("room", CLEANED)
def test_cleaned_rooms_use_the_words_of_the_glossary(room):
    files = texts(ROOT / room)
    assert files, f"{room} is gone: change CLEANED"
    found = {
        str(path.relative_to(ROOT)): lines
        for path in files
        if str(path.relative_to(ROOT)) not in EXCEPTIONS
        and (lines := abolished_in(path.read_text()))
    }
    assert not found


@pytest.mark.parametrize(
    ("line", "whether"),
    [
        ("costs 100 ns a call", True),
        ("costs 100 ns per call", False),
        ("Calls are told apart", True),
        ("missing rights", True),
        ("copyrights and brights", False),
        ("run a program", False),
        ("load it anew", True),
        ("order drawn by lot", True),
    ],
)
def test_patterns_find_words_and_only_those(line, whether):
    assert bool(abolished_in(line)) is whether


def test_architecture_links_the_glossary():
    assert "(glossary.md)" in (ROOT / "docs/architecture.md").read_text()
