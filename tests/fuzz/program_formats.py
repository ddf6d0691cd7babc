"""Programs, arguments, and what other programs and the kernel say."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import click
from formats import (
    FORMATS,
    RELEASE,
    USER_ERRORS,
    Format,
    chdir,
    documents,
    put,
    texts,
    words,
)
from hypothesis import strategies as st
from kernels_fakes import Silent
from mutations import wrong_bytes, wrong_text, wrong_word

from ebpf_overhead.bpf.privileges import parse_effective
from ebpf_overhead.cli import main
from ebpf_overhead.cli.estimate import _lines as estimate_lines
from ebpf_overhead.errors import BadUseError
from ebpf_overhead.guest.accel import Memory
from ebpf_overhead.guest.wire import Lines
from ebpf_overhead.hooks import symbols
from ebpf_overhead.kernels import (
    debfile,
    versions,
)
from ebpf_overhead.kernels.adding import Adder, Choices
from ebpf_overhead.kernels.image import build_time
from ebpf_overhead.kernels.layout import Layout
from ebpf_overhead.programs import store as program_store
from ebpf_overhead.programs.bcc_symbols import file_offset
from ebpf_overhead.programs.catalogue import programs_named
from ebpf_overhead.programs.compiled import compiled
from ebpf_overhead.programs.program_object import Function, MapDefinition, ProgramObject
from ebpf_overhead.tools.estimate import places
from ebpf_overhead.tools.profile import stacks
from ebpf_overhead.workload import _workload

# What other programs and the kernel say.

texts(
    "list of targets",
    ["vfs_read # often\n\nsyscall:openat\n"],
    lambda content, place: estimate_lines(put(place, "targets", content)),
)


def symbol_of_elf(content: bytes, place: Path) -> None:
    file_offset(str(put(place, "library.so", content)), "getpid")


FORMATS["program with symbols"] = Format(
    wrong_bytes([Path(_workload.__file__).read_bytes()]), symbol_of_elf, weight=4
)

texts(
    "output of perf",
    ["x 1 [0] 1.0: 1 c:\n\tffffffff81d0d927 do_syscall_64+0x1 ([kernel.kallsyms])\n\n"],
    lambda content, place: stacks.fold(stacks.parse(content.decode("utf-8", "replace"))),
)
texts(
    "status of a process",
    ["Name:\tx\nCapEff:\t000001ffffffffff\n"],
    lambda content, place: parse_effective(content.decode("utf-8", "replace")),
)


def read_kallsyms(content: bytes, place: Path) -> None:
    before = symbols._KALLSYMS
    symbols.kernel_functions.cache_clear()
    symbols._KALLSYMS = put(place, "kallsyms", content)
    try:
        symbols.explain_name("vfs_reed")
    finally:
        symbols._KALLSYMS = before
        symbols.kernel_functions.cache_clear()


texts("symbols of the kernel", ["0000000000000000 T vfs_read\n0 t x\t[ext4]\n"], read_kallsyms)


def read_messages(content: bytes, place: Path) -> None:
    lines = Lines()
    for each in (content[:10], content[10:], b"\n"):
        assert all(isinstance(message, dict) for message in lines.feed(each))


texts("messages of a guest", [b'{"event":"exit","status":0}\n{"event":"pong"}\n'], read_messages)


def remembered(content: bytes, place: Path) -> None:
    memory = Memory(put(place, "acceleration.json", content))
    memory.recall("a")
    memory.keep("b", "")
    assert memory.recall("b") == ""


documents("outcomes of trial boots", [{"a": "hangs"}], remembered)


# Programs and arguments.

SOURCE = "int program(void *ctx) { return 0; }\n"


def compile_own(content: bytes, place: Path) -> None:
    (own,) = programs_named([str(put(place, "mine.c", content))])
    compiled(own)


FORMATS["source of a program"] = Format(
    wrong_text([SOURCE, "BPF_HASH(a, u64);\n" + SOURCE]), compile_own, weight=16
)
OBJECT = ProgramObject(
    {"program": Function(b"\xb7" + bytes(7) + b"\x95" + bytes(7))},
    (MapDefinition("a", 1, 8, 8, 1024),),
    b"",
)


def stored_object(content: bytes, place: Path) -> None:
    put(program_store.directory(), "ab.json", content)
    program_store.find("ab")


documents("stored program", [json.loads(OBJECT.to_json())], stored_object)


def read_version(text: str, place: Path) -> None:
    build_time(text)
    versions.looks_like_version(text)
    versions.package_version(RELEASE, text)
    debfile.release_in_name(text)
    versions.is_of(text, "6.12")
    versions.version_key(text)
    versions.check_release(text)


words("version", ["6.12.107+deb13-amd64", "7.3~rc7-1~exp1", "6.12"], read_version)


def add_what(text: str, place: Path) -> None:
    def no_mirror() -> NoReturn:
        raise BadUseError("no mirror here")

    Adder(Layout(place, place / "history"), no_mirror, Choices(), Silent()).add([text])


words("kernel to be added", ["6.12", "./vmlinuz", "x.deb", "running", "stable"], add_what, weight=8)
words(
    "target of estimate",
    ["vfs_*", "syscall:openat", "c:malloc", "tracepoint/sched/sched_switch", "kprobe:vfs_read"],
    lambda text, place: places.places_of(text, 10),
    weight=8,
)


def options_below(group: click.Group, names: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the names of each command, followed by an option of it that takes a value."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from options_below(command, (*names, name))
        for each in command.params if command else ():
            if isinstance(each, click.Option) and not each.is_flag and not each.count:
                yield (*names, name, each.opts[0])


def parse_option(words_and_text: tuple[tuple[str, ...], str], place: Path) -> None:
    """Read a value as its command does, and do not run the command."""
    (*names, option), text = words_and_text
    command: click.Command = main
    for name in names:
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), name) or main
    with chdir(place), contextlib.redirect_stdout(io.StringIO()):
        command.make_context(names[-1], [f"{option}={text}"], resilient_parsing=False)


VALUES = ["10s", "500ms", "1%", "6.12", "getpid", "tp_btf", "simple", "0-3", "all", "0.5", "json"]
FORMATS["value of an option"] = Format(
    st.tuples(st.sampled_from(list(options_below(main))), wrong_word(VALUES)),
    parse_option,
    answers=USER_ERRORS,
)
