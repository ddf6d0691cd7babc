"""Programs without a kernel: sources, definitions, and what compiler and verifier say."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

import pytest

from ebpf_overhead import bpf, maps, programs, rights
from ebpf_overhead.catalogue import PROGRAMS, Program
from ebpf_overhead.errors import BadUseError, FailedError, RefusedError, UnsupportedError


class FakeModule:
    """Takes the place of ``bcc.BPF``."""

    def dump_func(self, name: bytes) -> bytes:
        assert name == b"program"
        return bytes(16)


def test_every_load_is_anew_and_the_log_is_that_of_the_last(monkeypatch):
    loads, logs = [], []
    monkeypatch.setattr(bpf, "prog_load", lambda *what: loads.append(what) or 33)
    monkeypatch.setattr(bpf, "prog_log", lambda *what: logs.append(what) or "0: (95) exit")
    program = programs.CompiledProgram("mine.c", FakeModule())
    assert program.load(bpf.ProgType.TRACEPOINT, "tracepoint") == 33
    assert program.load_tracing(bpf.TraceAttachType.FENTRY, 7, "fentry") == 33
    assert loads == [
        (bytes(16), bpf.ProgType.TRACEPOINT, bpf.TraceAttachType.NONE, 0, "mine.c"),
        (bytes(16), bpf.ProgType.TRACING, bpf.TraceAttachType.FENTRY, 7, "mine.c"),
    ]
    assert program.verifier_log() == "0: (95) exit"
    assert logs == loads[1:]


def test_refused_load_is_explained(monkeypatch):
    def refuse(*what: object) -> int:
        raise bpf.VerifierRejection(OSError(errno.EPERM, "bpf"), "")

    monkeypatch.setattr(bpf, "prog_load", refuse)
    with pytest.raises(UnsupportedError, match="EPERM at load: fentry refused"):
        programs.CompiledProgram("mine.c", FakeModule()).load(bpf.ProgType.TRACING, "fentry")


@pytest.fixture
def compiler(monkeypatch):
    """Let compiling a source fail with a log and a number, as BCC does."""

    class FakeBcc:
        log, number = "", 0
        options: tuple[bytes, list[str]]

        def BPF(self, text: bytes, cflags: list[str]) -> object:  # noqa: N802
            FakeBcc.options = (text, cflags)
            os.write(2, FakeBcc.log.encode())
            ctypes.set_errno(FakeBcc.number)
            if FakeBcc.log or FakeBcc.number:
                raise RuntimeError("Failed to compile BPF module")
            return FakeModule()

    monkeypatch.setattr(programs, "import_bcc", FakeBcc)
    return FakeBcc


@pytest.fixture
def source(tmp_path) -> Path:
    path = tmp_path / "mine.c"
    path.write_text("int program(void *ctx)\n{\n    return nonsense;\n}\n")
    return path


def test_compiler_is_told_file_and_line_and_definitions(compiler, source):
    program = programs.compile_source("mine", source, ["ENTRIES=16"])
    text, flags = compiler.options
    assert program.name == "mine"
    assert text.startswith(f'#line 1 "{source}"\nint program('.encode())
    assert "-DENTRIES=16" in flags
    assert f"-I{source.parent}" in flags, "headers beside it are found"


def test_compile_error_is_the_compilers_first(compiler, source):
    compiler.log = (
        "In file included from <built-in>:2:\nwarning: something else\n"
        f"{source}:3:12: error: use of undeclared identifier 'nonsense'\n"
        f"{source}:9:9: error: and another\n2 errors generated.\n"
    )
    with pytest.raises(FailedError) as caught:
        programs.compile_source("mine", source)
    assert str(caught.value) == (
        f"mine.c does not compile: {source}:3:12: error: use of undeclared identifier 'nonsense'"
        " (and 1 more)"
    )


def test_name_of_the_file_is_a_string_of_c(compiler, tmp_path):
    odd = tmp_path / 'say "hi".c'
    odd.write_text("int program(void *ctx)\n{\n    return 0;\n}\n")
    programs.compile_source(odd.name, odd)
    assert compiler.options[0].startswith(f'#line 1 "{tmp_path}/say \\"hi\\".c"\n'.encode())


@pytest.mark.parametrize(
    "function",
    ["int kprobe__do_exit(void *ctx)", "TRACEPOINT_PROBE(sched, switch)", "KFUNC_PROBE(f)"],
)
def test_program_that_bcc_would_attach_itself(compiler, source, function):
    source.write_text(f"/* not kprobe__x() */\n\n{function}\n{{\n    return 0;\n}}\n")
    with pytest.raises(FailedError) as caught:
        programs.compile_source("mine", source)
    name = function.removeprefix("int ").partition("(")[0]
    assert caught.value.what == f"{source}:3: BCC attaches {name} by itself"
    assert not hasattr(compiler, "options"), "it was not compiled, so nothing is attached"


def test_source_without_the_function(compiler, source, monkeypatch):
    def nothing(*_: object) -> bytes:
        raise RuntimeError("Unknown program")

    monkeypatch.setattr(FakeModule, "dump_func", nothing)
    with pytest.raises(FailedError, match="has no function called program; define int program"):
        programs.compile_source("mine", source)


def test_source_that_cannot_be_read(compiler, tmp_path):
    with pytest.raises(BadUseError, match=r"gone\.c cannot be read: No such file"):
        programs.compile_source("mine", tmp_path / "gone.c")


def test_refused_maps_are_no_mistake_in_the_source(compiler, source, monkeypatch):
    monkeypatch.setattr(rights, "may_trace", lambda: False)
    compiler.number = errno.EPERM
    with pytest.raises(RefusedError, match="EPERM at map creation: BPF map refused"):
        programs.compile_source("mine", source)


def test_bcc_that_fails_for_its_own_reasons(compiler, source):
    compiler.log = "chdir(/lib/modules/6.1): No such file or directory\n"
    with pytest.raises(UnsupportedError, match=r"BCC fails to compile mine.c: chdir\("):
        programs.compile_source("mine", source)


def test_unknown_program_has_no_source():
    with pytest.raises(FailedError, match=r"probes/no_such_program.c not found"):
        programs.source_path("no_such_program")


class FakeTable:
    """One of BCC's tables, with the attributes that are looked at."""

    map_fd = 21

    def __init__(self, values: list[int]) -> None:
        self.stored = values

    def values(self) -> list[ctypes.c_uint64]:
        return [ctypes.c_uint64(value) for value in self.stored]

    def clear(self) -> None:
        self.stored = [0]


@pytest.fixture
def kernel_map(monkeypatch):
    """A map in the kernel: what it is, and the keys deleted from it."""

    class KernelMap:
        size = maps.Dimensions(maps.MapType.HASH, 4, 8, 64)
        deleted: list[object] = []  # noqa: RUF012

    monkeypatch.setattr(maps, "dimensions", lambda fd: KernelMap.size if fd == 21 else None)
    monkeypatch.setattr(maps, "keys", lambda fd, size: bytearray(b"pid1pid2"))
    monkeypatch.setattr(maps, "delete", lambda *arguments: KernelMap.deleted.append(arguments))
    return KernelMap


def test_map_use_and_clearing(kernel_map):
    tables = {b"counts": FakeTable([]), b"lost_updates": FakeTable([3])}
    program = programs.CompiledProgram("mine", tables)
    assert program.map_use() == maps.MapUse(max_entries=64, entries=2, lost_updates=3)
    program.clear()
    assert kernel_map.deleted == [(21, bytearray(b"pid1pid2"), 4)]
    assert program.map_use() == maps.MapUse(max_entries=64, entries=2, lost_updates=0)


def test_map_that_evicts_and_nobody_counts(kernel_map):
    kernel_map.size = maps.Dimensions(maps.MapType.LRU_HASH, 4, 8, 64)
    program = programs.CompiledProgram("mine", {b"counts": FakeTable([])})
    assert program.map_use() == maps.MapUse(64, 2, lost_updates=None, evicts=True)


def test_array_cannot_fill(kernel_map):
    kernel_map.size = maps.Dimensions(2, 4, 8, 64)
    program = programs.CompiledProgram("mine", {b"counts": FakeTable([])})
    program.clear()
    assert kernel_map.deleted == []
    assert program.map_use() is None


def test_what_fails_without_a_map_is_counted_too():
    program = programs.CompiledProgram("mine", {b"lost_updates": FakeTable([3])})
    assert program.map_use() == maps.MapUse(None, None, 3)
    program.clear()
    assert program.map_use() == maps.MapUse(None, None, 0)


def test_every_kind_of_load_has_its_own_tail_calls(monkeypatch):
    """A program array serves one type of program, and lives as long as its descriptor."""
    calls = []

    class Module(dict):
        def dump_func(self, name: bytes) -> bytes:
            return {b"program": bytes.fromhex("1811000015000000"), b"tail": bytes(8)}[name]

    arrays = iter([os.open(os.devnull, os.O_RDONLY) for _ in range(2)])
    tails = iter([os.open(os.devnull, os.O_RDONLY) for _ in range(2)])

    def load(code: bytes, *what: object) -> int:
        calls.append(code)
        return 77 if code[0] == 0x18 else next(tails)

    monkeypatch.setattr(bpf, "prog_load", load)
    monkeypatch.setattr(maps, "new_prog_array", lambda: next(arrays))
    monkeypatch.setattr(maps, "put_program", lambda array, fd: calls.append((array, fd)))
    program = programs.CompiledProgram("tail_call", Module({b"tail_calls": FakeTable([])}))
    for prog_type in (bpf.ProgType.KPROBE, bpf.ProgType.TRACEPOINT):
        assert program.load(prog_type, "x") == 77
    first, second = calls[1], calls[4]
    assert [calls[2][4], calls[5][4]] == [first[0], second[0]], "the program uses that array"
    assert first[0] != second[0]
    for gone in (first[1], second[1]):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(gone)
    no_hook = bpf.TraceAttachType.NONE
    # Those that are loaded beside it, or anew, need the array of their kind still.
    assert program.load(bpf.ProgType.KPROBE, "x") == 77
    assert program.load_again(programs.LoadedAs(bpf.ProgType.TRACEPOINT, no_hook, 0)) == 77
    assert [code[4] for code in calls[6:]] == [first[0], second[0]]
    for kept in (first[0], second[0]):
        os.close(kept)


def test_program_without_a_map():
    program = programs.CompiledProgram("empty", {})
    program.clear()
    assert program.map_use() is None


def test_programs_are_compiled_once_a_process(compiler, source):
    own = Program("mine.c", "", "your own program", source)
    programs.compiled.cache_clear()
    try:
        for program in [*PROGRAMS.values(), own]:
            assert programs.compiled(program).name == program.name
            assert programs.compiled(program) is programs.compiled(program)
        assert compiler.options[0].startswith(f'#line 1 "{source}"'.encode())
    finally:
        programs.compiled.cache_clear()
