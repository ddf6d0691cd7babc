"""Programs without a kernel: sources, definitions, and what compiler and verifier say."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

import pytest

from ebpf_overhead import bpf, programs, rights
from ebpf_overhead.cases import PROGRAMS
from ebpf_overhead.errors import FailedError, RefusedError, UnsupportedError

# What a kernel writes about a program that reads behind the end of a map's value.
OUT_OF_BOUNDS = """\
bpf: Failed to load program: Permission denied
0: R1=ctx() R10=fp0
; u64 *cell = cells.lookup(&zero); @ bad.c:5
5: (85) call bpf_map_lookup_elem#1    ; R0=map_value_or_null(id=1,map=cells,ks=4,vs=8)
; return cell ? cell[4096] : 0; @ bad.c:6
7: (79) r0 = *(u64 *)(r1 +32768)
invalid access to map value, value_size=8 off=32768 size=8
R0 min value is outside of the allowed memory range
processed 9 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0

"""


@pytest.fixture(autouse=True)
def with_rights(monkeypatch):
    monkeypatch.setattr(rights, "may_trace", lambda: True)


class FakeFunction:
    fd = 33


class FakeModule:
    """Takes the place of ``bcc.BPF``: loads, or writes a log and fails as BCC does."""

    def __init__(self, log: str = "", number: int | None = None) -> None:
        self.log = log
        self.number = number
        self.funcs: dict[bytes, FakeFunction] = {}

    def load_func(self, name: bytes, prog_type: int) -> FakeFunction:
        if self.number is not None:
            os.write(2, self.log.encode())
            ctypes.set_errno(self.number)
            raise RuntimeError(f"Failed to load BPF program {name!r}")
        self.funcs[name] = FakeFunction()
        return self.funcs[name]

    def dump_func(self, name: bytes) -> bytes:
        return bytes(16)


def test_loaded_program_is_not_kept_so_that_another_attach_type_loads_it_anew():
    module = FakeModule()
    assert programs.CompiledProgram("simple", module).load(bpf.ProgType.TRACEPOINT, "x") == 33
    assert module.funcs == {}


def test_verifiers_words_are_the_reason(capfd):
    program = programs.CompiledProgram("bad", FakeModule(OUT_OF_BOUNDS, errno.EACCES))
    with pytest.raises(FailedError) as caught:
        program.load(bpf.ProgType.TRACEPOINT, "tracepoint")
    assert caught.value.what == (
        "verifier rejects bad: invalid access to map value, value_size=8 off=32768 size=8"
    )
    assert capfd.readouterr().err == "", "the log is not shown besides"


def test_verifiers_words_of_a_tracing_program(monkeypatch):
    def refuse(*arguments: object) -> int:
        error = OSError(errno.EINVAL, "bpf(BPF_PROG_LOAD)")
        log = "0: R1=ctx()\n5: (05) goto pc-2\ninfinite loop detected at insn 5\ncur state: R0=0\n"
        raise bpf.VerifierRejection(error, log + "processed 10 insns (limit 1000000)")

    monkeypatch.setattr(bpf, "prog_load", refuse)
    program = programs.CompiledProgram("bad", FakeModule())
    with pytest.raises(FailedError, match="verifier rejects bad: infinite loop detected at insn 5"):
        program.load_tracing(bpf.TraceAttachType.FENTRY, 1, "fentry")


@pytest.mark.parametrize(
    ("log", "number"), [("", errno.EPERM), ("bpf: Failed to load program\n", errno.EINVAL)]
)
def test_refusal_without_the_verifiers_words_is_the_kernels(log, number):
    program = programs.CompiledProgram("empty", FakeModule(log, number))
    name = errno.errorcode[number]
    with pytest.raises(UnsupportedError, match=f"{name} at load: fentry refused"):
        program.load(bpf.ProgType.TRACING, "fentry")


def test_failure_that_the_kernel_had_no_part_in_is_told_in_bccs_words():
    program = programs.CompiledProgram("probe", FakeModule("bpf: no such function\n", 0))
    with pytest.raises(FailedError, match="BCC does not load probe as kprobe: bpf: no such"):
        program.load(bpf.ProgType.KPROBE, "kprobe")


def test_refusal_for_want_of_rights(monkeypatch):
    monkeypatch.setattr(rights, "may_trace", lambda: False)
    program = programs.CompiledProgram("empty", FakeModule("", errno.EPERM))
    with pytest.raises(RefusedError, match="CAP_BPF and CAP_PERFMON missing"):
        program.load(bpf.ProgType.TRACEPOINT, "tracepoint")


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("0: (b7) r0 = 0\nR0 !read_ok\nprocessed 1 insns\n", "R0 !read_ok"),
        ("last insn is not an exit or jmp\nprocessed 0 insns\n", "last insn is not an exit or jmp"),
        ("0: (b7) r0 = 0\nprocessed 1 insns\n", "processed 1 insns"),
        ("", "no reason given"),
    ],
)
def test_verdict(log, words):
    assert programs._verdict(log) == words


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
            return object()

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
    )


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


@pytest.mark.parametrize("name", ["empty", "simple", "witness"])
def test_no_definitions_where_none_are_needed(name):
    assert programs._definitions(name) == []


@pytest.mark.parametrize(
    ("processes", "entries"), [(1, 1 << 16), (32, 1 << 16), (33, 1 << 17), (10**6, 1 << 21)]
)
def test_complex_map_holds_every_key_of_every_process_twice(monkeypatch, processes, entries):
    class Proc:
        def __init__(self, path: str) -> None:
            assert path == "/proc"

        def glob(self, pattern: str) -> range:
            return range(processes)

    monkeypatch.setattr(programs, "Path", Proc)
    monkeypatch.setattr(programs, "_has_text", lambda path: True)
    assert programs._definitions("complex") == [f"COMPLEX_ENTRIES={entries}"]
    assert entries == 1 << 21 or entries >= 2 * 1024 * processes


def test_kernel_threads_and_vanished_processes_do_not_count(tmp_path):
    (tmp_path / "thread").write_bytes(b"")
    (tmp_path / "process").write_bytes(b"init\0")
    assert [programs._has_text(tmp_path / name) for name in ("thread", "process", "gone")] == [
        False,
        True,
        False,
    ]


class FakeTable:
    """One of BCC's tables, with the attributes that are looked at."""

    Key, Leaf, map_fd = ctypes.c_uint32, ctypes.c_uint64, 21

    def __init__(self, values: list[int], max_entries: int = 1) -> None:
        self.stored = values
        self.max_entries = max_entries

    def values(self) -> list[ctypes.c_uint64]:
        return [ctypes.c_uint64(value) for value in self.stored]

    def clear(self) -> None:
        self.stored = [0]


def test_map_use_and_clearing(monkeypatch):
    keys, deleted = bytearray(b"pid1pid2"), []
    monkeypatch.setattr(bpf, "map_keys", lambda *dimensions: keys * (dimensions == (21, 4, 8, 64)))
    monkeypatch.setattr(bpf, "map_delete", lambda *arguments: deleted.append(arguments))
    tables = {b"counts": FakeTable([], 64), b"lost_updates": FakeTable([3])}
    program = programs.CompiledProgram("mine", tables)
    assert program.map_use() == programs.MapUse(max_entries=64, entries=2, lost_updates=3)
    program.clear()
    assert deleted == [(21, keys, 4)]
    assert program.map_use() == programs.MapUse(max_entries=64, entries=2, lost_updates=0)


def test_program_without_a_map():
    program = programs.CompiledProgram("empty", {})
    program.clear()
    assert program.map_use() is None


def test_shipped_programs_are_compiled_once_a_process(compiler):
    programs.compiled.cache_clear()
    try:
        assert {programs.compiled(name).name for name in PROGRAMS} == set(PROGRAMS)
        assert all(programs.compiled(name) is programs.compiled(name) for name in PROGRAMS)
    finally:
        programs.compiled.cache_clear()
