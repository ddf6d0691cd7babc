"""The text of BCC's tools: which functions are attached where, by their names.

BCC attaches a function called ``kprobe__do_exit`` as soon as it is compiled.  Here it is attached
by this project only, at the place that the name says; see :func:`sections_of`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

LONGEST_SOURCE_BYTES = 4 << 20
_COMMENT = re.compile(r"/[*/]")
# What a name of BCC's begins with, and the kind of section that says the same.
_KINDS = {
    "kprobe": "kprobe",
    "kretprobe": "kretprobe",
    "syscall": "ksyscall",
    "tracepoint": "tracepoint",
    "raw_tracepoint": "raw_tp",
    "kfunc": "fentry",
    "kretfunc": "fexit",
    "kmod_ret": "fmod_ret",
    "lsm": "lsm",
}
_DEFINED = re.compile(rf"\b({'|'.join(_KINDS)})__(\w+)\s*\([^;{{}}()]*\)\s*\{{")
# Macros that define such a function.
_MACRO = re.compile(
    r"\b(?:MODULE_)?((?:RAW_)?TRACEPOINT|KFUNC|KRETFUNC|KMOD_RET|LSM)(?:_PROBE)?"
    r"\s*\(\s*(\w+)\s*(?:,\s*(\w+))?"
)
# A function that is measured where the command says.
_PROGRAM = re.compile(r"\bprogram\s*\([^;{}()]*\)\s*\{")
_OF_EVENTS = re.compile(rb"\b(TRACEPOINT_PROBE|tracepoint__\w)")
# BCC 0.29 puts the module into the names of functions on the kernel's own.
_MODULE = "vmlinux__"


def sections_of(text: str) -> dict[str, str]:
    """Return the functions that BCC would attach, with the sections that say the same.

    Parameters
    ----------
    text : str
        C source of a tool; files that it includes are not looked into.

    Returns
    -------
    dict of str to str
        By name, as it is in the source, ``kprobe__do_exit``: ``kprobe/do_exit``.  Empty where a
        function ``program`` is to be measured.
    """
    code = " ".join(_without_comments(text))
    return {} if _PROGRAM.search(code) else dict(_found(code))


def _without_comments(text: str) -> Iterator[str]:
    start = 0
    while (comment := _COMMENT.search(text, start)) is not None:
        yield text[start : comment.start()]
        closing = "*/" if comment[0] == "/*" else "\n"
        end = text.find(closing, comment.end())
        start = end + len(closing) if end >= 0 else len(text)
    yield text[start:]


def _found(code: str) -> Iterator[tuple[str, str]]:
    for kind, place in _DEFINED.findall(code):
        yield f"{kind}__{place}", _section(kind, place)
    for macro, first, second in _MACRO.findall(code):
        kind = macro.lower()
        place = f"{first}__{second}" if kind == "tracepoint" else first
        yield f"{kind}__{place}", _section(kind, place)


def _section(kind: str, place: str) -> str:
    section = _KINDS[kind]
    if kind == "tracepoint":
        category, _, event = place.partition("__")
        return f"{section}/{category}/{event}"
    if kind in ("kprobe", "kretprobe") and place.startswith("sys_"):
        # As BCC does: the kernel's name of a system call's function is longer.
        section, place = section.replace("probe", "syscall"), place.removeprefix("sys_")
    return f"{section}/{place.removeprefix(_MODULE)}"


def plain_name(function: str) -> str:
    """Return the name of a function as :func:`sections_of` has it, whichever BCC compiled it."""
    return function.replace(f"__{_MODULE}", "__", 1)


def needs_formats(text: bytes) -> bool:
    """Whether a source is compiled with the formats of this kernel's events, from tracefs."""
    return bool(_OF_EVENTS.search(text))
