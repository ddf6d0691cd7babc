"""The text of bpftrace's scripts: which probes they have, and where these are attached.

Only as much is read as is needed to name the probes; bpftrace itself understands the rest.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass

# What is no code: comments, and lines for the preprocessor.
_ASIDE = re.compile(
    r'(?P<kept>"(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/|^[ \t]*#(?:\\\n|[^\n])*', re.DOTALL | re.M
)
_STRING = re.compile(r'"(?:\\.|[^"\\])*"')
# What has braces besides probes.
_NO_PROBE = re.compile(r"(?:struct|union|enum|config|macro|fn|import)\b")
_ALIASES = {
    "t": "tracepoint",
    "rt": "rawtracepoint",
    "k": "kprobe",
    "kr": "kretprobe",
    "kfunc": "fentry",
    "f": "fentry",
    "kretfunc": "fexit",
    "fr": "fexit",
    "u": "uprobe",
    "ur": "uretprobe",
    "U": "usdt",
    "i": "interval",
    "p": "profile",
    "s": "software",
    "h": "hardware",
    "w": "watchpoint",
    "aw": "asyncwatchpoint",
    "it": "iter",
}
# The kinds that calls of a workload can run, as sections of object files call them.
SECTIONS = {
    "tracepoint": "tracepoint",
    "rawtracepoint": "raw_tp",
    "kprobe": "kprobe",
    "kretprobe": "kretprobe",
    "fentry": "fentry",
    "fexit": "fexit",
    "uprobe": "uprobe",
    "uretprobe": "uretprobe",
}


@dataclass(frozen=True)
class ScriptProbe:
    """A probe of a script.

    Attributes
    ----------
    name : str
        As the script has it: ``kprobe:vfs_read``; with ``#2`` where it has another of that name.
    kind, place : str
        ``kprobe``, whichever of its names the script uses, and the rest.
    where : tuple of int
        From which to which character of the script its name is.
    """

    name: str
    kind: str
    place: str
    where: tuple[int, int]

    @property
    def section(self) -> str:
        """Where it is attached, as a section of an object file says it."""
        kind = SECTIONS.get(self.kind)
        if kind is None:
            return f"{self.kind}/{self.place}" if self.place else self.kind
        return f"{kind}/{self._section_place}"

    @property
    def _section_place(self) -> str:
        if self.kind == "tracepoint":
            return self.place.replace(":", "/", 1)
        if self.kind in ("uprobe", "uretprobe"):
            file, _, function = self.place.rpartition(":")
            library = file.startswith("lib") and "/" not in file and ".so" not in file
            return f"{file}.so:{function}" if library else f"{file}:{function}"
        return self.place.rpartition(":")[2]  # others may name the module


def probes_of(text: str) -> list[ScriptProbe]:
    """Return the probes of a script, in its order."""
    found: list[ScriptProbe] = []
    names: Counter[str] = Counter()
    code = _code(text)
    for start, end, _ in _clauses(code):
        for where in _names(code, start, end):
            name = re.sub(r"\s", "", code[slice(*where)])
            names[name] += 1
            number = f"#{names[name]}" if names[name] > 1 else ""
            kind, _, rest = name.partition(":")
            found.append(
                ScriptProbe(name + number, _ALIASES.get(kind, kind), rest.replace('"', ""), where)
            )
    return found


def without(text: str, probes: Collection[str]) -> str:
    """Return a script without some of its probes, every other one at its line and column.

    Parameters
    ----------
    text : str
        The script.
    probes : collection of str
        Names of those that go, as :func:`probes_of` has them.
    """
    known = probes_of(text)
    for start, end, rest in _clauses(_code(text)):
        inside = [each for each in known if start <= each.where[0] < end]
        kept = [each.where for each in inside if each.name not in probes]
        if inside and not kept:
            text = text[:start] + _blank(text[start:rest]) + text[rest:]
        elif len(kept) < len(inside):
            text = text[:start] + _named(text, start, end, kept) + text[end:]
    return text


def _named(text: str, start: int, end: int, kept: list[tuple[int, int]]) -> str:
    """Return the names of a clause's probes, with commas between those that are kept."""
    head = list(_blank(text[start:end]))
    for first, last in kept:
        head[first - start : last - start] = text[first:last]
    for _, last in kept[:-1]:
        # Something stands between two names.
        head[head.index(" ", last - start)] = ","
    return "".join(head)


def _code(text: str) -> str:
    """Return a script with blanks for what is no code."""
    return _ASIDE.sub(lambda aside: aside["kept"] or _blank(aside[0]), text)


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def _clauses(code: str) -> Iterator[tuple[int, int, int]]:
    """Yield of each clause where it begins, where its probes end, and where it ends."""
    bare = _STRING.sub(lambda string: " " * len(string[0]), code)
    depth = begin = head_end = 0
    for brace in re.finditer(r"[{}]", bare):
        at = brace.start()
        if brace[0] == "{":
            if not depth:
                head_end = at
            depth += 1
        elif depth:
            depth -= 1
            if not depth:
                begin += len(bare[begin:]) - len(bare[begin:].lstrip(" \t\r\n;"))
                if not _NO_PROBE.match(bare, begin):
                    yield begin, _before_predicate(code, bare, begin, head_end), at + 1
                begin = at + 1


def _before_predicate(code: str, bare: str, start: int, end: int) -> int:
    """Return where the names of probes end: a predicate stands between slashes behind them."""
    head = bare[start:end]
    # Names of files have slashes, too, and no space before one.
    slash = re.search(r"\s/" if _OF_FILE.search(head) else r"/", head)
    return start + len(code[start : start + slash.start() if slash else end].rstrip())


_OF_FILE = re.compile(r"(?:^|,)\s*(?:u|ur|U|uprobe|uretprobe|usdt)\s*:")


def _names(code: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield from where to where each probe of a clause is named."""
    for each in re.finditer(r'(?:"[^"]*"|[^,"])+', code[start:end]):
        name = each[0].strip()
        if name:
            first = start + each.start() + each[0].index(name)
            yield first, first + len(name)
