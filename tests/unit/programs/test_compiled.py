"""Programs without a kernel: loading, maps, and what is wrong with an object."""

from __future__ import annotations

import errno
import gc
import os
import struct
from pathlib import Path

import pytest

from ebpf_overhead.bpf import loading, map_entries, maps, privileges, syscall
from ebpf_overhead.errors import FailedError, OverheadError, RefusedError, UnsupportedError
from ebpf_overhead.programs import compiled as programs
from ebpf_overhead.programs.bcc_compile import Source
from ebpf_overhead.programs.catalogue import PROGRAMS, Program
from ebpf_overhead.programs.loaded import LoadedAs
from ebpf_overhead.programs.program_maps import ProgramMaps, make_maps
from ebpf_overhead.programs.program_object import (
    Function,
    MapDefinition,
    ProgramObject,
    Reference,
)

CODE = ProgramObject({"program": Function(bytes(16))})


class Maps(ProgramMaps):
    """Maps with descriptors of nobody, which nobody closes."""

    def __init__(self, fds: dict[str, int]) -> None:
        self.fds, self._contents = fds, {}


def program(name: str = "mine.c", made: ProgramObject = CODE, **fds: int):
    """A program whose maps have these descriptors."""
    return programs.CompiledProgram(name, made, Maps(fds), slots=programs.slots_of(made))


def test_every_load_is_its_own_and_so_is_the_log(monkeypatch):
    loads, logs = [], []
    monkeypatch.setattr(loading, "prog_load", lambda *what: loads.append(what) or 33)

    def log(*what, in_full):
        logs.append(what)
        return "0: (95) exit" if in_full else "processed 2 insns"

    monkeypatch.setattr(loading, "prog_log", log)
    mine = program()
    tracing = LoadedAs(syscall.ProgType.TRACING, syscall.TraceAttachType.FENTRY, 7, 16)
    assert mine.load(LoadedAs(syscall.ProgType.TRACEPOINT), "tracepoint").fd == 33
    assert mine.load(tracing, "fentry").loaded_as == tracing
    none = syscall.TraceAttachType.NONE
    assert loads == [
        (bytes(16), syscall.ProgType.TRACEPOINT, none, 0, "mine.c", loading.NO_DETAILS),
        (bytes(16), *tracing[:3], "mine.c", loading.Details(flags=16)),
    ]
    assert mine.verifier_log(tracing) == "0: (95) exit"
    assert mine.verifier_log(tracing, in_full=False) == "processed 2 insns"
    assert logs == loads[1:] * 2


def test_refused_load_is_explained(monkeypatch):
    def refuse(*what: object) -> int:
        raise loading.VerifierRejection(OSError(errno.EPERM, "bpf"), "")

    monkeypatch.setattr(loading, "prog_load", refuse)
    held = frozenset(privileges.CAPABILITIES)  # so it is not for want of these
    monkeypatch.setattr(privileges, "effective_capabilities", lambda: held)
    with pytest.raises(UnsupportedError, match="EPERM at load: fentry refused"):
        program().load(LoadedAs(syscall.ProgType.TRACING), "fentry")


def test_numbers_and_descriptors_are_filled_in():
    load_map = struct.pack("=BBhi", 0x18, 0x11, 0, 0) + bytes(8)
    function = Function(load_map + bytes(8), (Reference(0, "counts"),), (Reference(2, "PID"),))
    made = ProgramObject({"program": function})
    mine = programs.CompiledProgram("mine", made, Maps({"counts": 9}), {"PID": 7})
    code = load_map[:4] + b"\x09" + load_map[5:]
    assert mine.code() == code + struct.pack("=4xi", 7)
    assert mine.code(PID=8) == code + struct.pack("=4xi", 8)


@pytest.mark.parametrize(
    "name",
    ["kprobe__do_exit", "kretprobe__x", "tracepoint__a__b", "raw_tracepoint__sys_enter",
     "kfunc__f", "kretfunc__f", "kmod_ret__f", "lsm__file_open", "bpf_iter__task"],
)  # fmt: skip
def test_function_that_bcc_would_attach_is_refused(monkeypatch, name):
    made = ProgramObject({"program": Function(bytes(8)), name: Function(bytes(8))})
    monkeypatch.setattr(programs, "compile_source", lambda source: made)
    with pytest.raises(FailedError) as caught:
        programs.with_maps("mine", Source(Path("a/mine.c")))
    assert str(caught.value) == (
        f"mine.c defines {name}, which BCC would attach by its name;"
        " name the function program: --attach says where it is attached"
    )


def test_source_without_the_function(monkeypatch):
    monkeypatch.setattr(programs, "compile_source", lambda source: ProgramObject({}))
    with pytest.raises(FailedError, match=r"mine\.c has no function called program; define int"):
        programs.with_maps("mine", Source(Path("mine.c")))
    others = ProgramObject({"trace_entry": Function(bytes(8))})
    monkeypatch.setattr(programs, "compile_source", lambda source: others)
    with pytest.raises(FailedError, match="or name one of its functions, trace_entry: --only"):
        programs.with_maps("mine", Source(Path("mine.c")))


@pytest.fixture
def kernel(monkeypatch):
    """Makes maps, or refuses to; descriptors are files of this process."""

    class Kernel:
        made: list[tuple[object, ...]] = []  # noqa: RUF012
        refusal: OSError | None = None
        knows_types = True

    def create(*arguments: object) -> int:
        if Kernel.refusal:
            raise Kernel.refusal
        Kernel.made.append(arguments)
        return os.open(os.devnull, os.O_RDONLY)

    def btf_load(information: bytes) -> int:
        if not Kernel.knows_types:
            raise OSError(errno.EINVAL, "bpf(BPF_BTF_LOAD)")
        return os.open(os.devnull, os.O_RDONLY)

    Kernel.made = []
    monkeypatch.setattr(maps, "create", create)
    monkeypatch.setattr(maps, "possible_cpus", lambda: 6)
    monkeypatch.setattr(loading, "btf_load", btf_load)
    return Kernel


WITH_MAPS = ProgramObject(
    {},
    (
        MapDefinition("counts", 1, 4, 8, 64, 1, 2, 3),
        MapDefinition("events", maps.MapType.PERF_EVENT_ARRAY, 4, 4, 0),
        MapDefinition("outer", 13, 4, 4, 8, inner="counts"),
    ),
    b"types",
)


def test_maps_are_made_as_they_are_defined_and_go_with_the_object(kernel):
    made = make_maps(WITH_MAPS, {"counts": 16})
    sizes, names, flags, inner, types = zip(*kernel.made, strict=True)
    assert names == ("counts", "events", "outer")
    assert [each.max_entries for each in sizes] == [16, 6, 8]
    assert flags == (1, 0, 0)
    assert inner == (0, 0, made.fds["counts"])
    assert [(each.key, each.value) for each in types] == [(2, 3), (0, 0), (0, 0)]
    assert all(each.btf_fd > 0 for each in types)
    fds = list(made.fds.values())
    del made
    gc.collect()
    for fd in fds:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


def test_kernel_that_does_not_know_the_types(kernel):
    kernel.knows_types = False
    make_maps(WITH_MAPS, {})
    assert [made[-1] for made in kernel.made] == [maps.NO_BTF] * 3


def test_refused_maps_are_no_mistake_in_the_source(kernel, monkeypatch):
    monkeypatch.setattr(privileges, "what_is_missing", lambda: "CAP_BPF missing")
    kernel.refusal = OSError(errno.EPERM, "bpf")
    with pytest.raises(
        RefusedError, match="EPERM at map creation: BPF map refused: CAP_BPF missing"
    ):
        make_maps(WITH_MAPS, {})


def test_unknown_program_has_no_source():
    with pytest.raises(FailedError, match=r"probes/no_such_program.c not found"):
        programs.source_path("no_such_program")


@pytest.fixture
def kernel_map(monkeypatch):
    """Maps in the kernel, 21 and 22: what they are, and what is done to them."""

    class KernelMap:
        size = maps.Dimensions(maps.MapType.HASH, 4, 8, 64)
        deleted: list[object] = []  # noqa: RUF012
        lost = 3

    def put(fd: int, key: int, value: bytes) -> None:
        assert (fd, key) == (22, 0)
        KernelMap.lost = int.from_bytes(value, "little")

    KernelMap.deleted = []
    monkeypatch.setattr(maps, "dimensions", lambda fd: KernelMap.size if fd == 21 else ARRAY)
    monkeypatch.setattr(map_entries, "keys", lambda fd, size: bytearray(b"pid1pid2"))
    monkeypatch.setattr(map_entries, "delete", lambda *given: KernelMap.deleted.append(given))
    monkeypatch.setattr(maps, "lookup", lambda fd, key: KernelMap.lost.to_bytes(8, "little"))
    monkeypatch.setattr(maps, "put", put)
    return KernelMap


ARRAY = maps.Dimensions(maps.MapType.ARRAY, 4, 8, 1)


def test_map_use_and_clearing(kernel_map):
    mine = program(counts=21, lost_updates=22)
    assert mine.map_use() == maps.MapUse(max_entries=64, entries=2, lost_updates=3)
    mine.clear()
    assert kernel_map.deleted == [(21, bytearray(b"pid1pid2"), 4)]
    assert mine.map_use() == maps.MapUse(max_entries=64, entries=2, lost_updates=0)


def test_map_that_evicts_and_nobody_counts(kernel_map):
    kernel_map.size = maps.Dimensions(maps.MapType.LRU_HASH, 4, 8, 64)
    assert program(counts=21).map_use() == maps.MapUse(64, 2, lost_updates=None, evicts=True)


def test_array_cannot_fill(kernel_map):
    kernel_map.size = maps.Dimensions(2, 4, 8, 64)
    mine = program(counts=21)
    mine.clear()
    assert kernel_map.deleted == []
    assert mine.map_use() is None


def test_what_fails_without_a_map_is_counted_too(kernel_map):
    mine = program(lost_updates=22)
    assert mine.map_use() == maps.MapUse(None, None, 3)
    mine.clear()
    assert mine.map_use() == maps.MapUse(None, None, 0)


def test_every_kind_of_load_has_its_own_tail_calls(monkeypatch):
    """A program array serves one type of program, and lives as long as its descriptor."""
    calls = []
    load_map = struct.pack("=BBhi", 0x18, 0x11, 0, 0) + bytes(8)
    made = ProgramObject(
        {
            "program": Function(load_map, (Reference(0, "tail_calls"),)),
            "tail": Function(bytes(8)),
        },
        (MapDefinition("tail_calls", maps.MapType.PROG_ARRAY, 4, 4, 1),),
    )
    arrays = iter([os.open(os.devnull, os.O_RDONLY) for _ in range(2)])
    tails = iter([os.open(os.devnull, os.O_RDONLY) for _ in range(2)])

    def load(code: bytes, *what: object) -> int:
        calls.append(code)
        return 77 if code[0] == 0x18 else next(tails)

    def put(array: int, key: int, value: bytes) -> None:
        calls.append((array, struct.unpack("=I", value)[0]))

    monkeypatch.setattr(loading, "prog_load", load)
    monkeypatch.setattr(maps, "dimensions", lambda fd: maps.Dimensions(3, 4, 4, 1))
    monkeypatch.setattr(maps, "create", lambda size: next(arrays))
    monkeypatch.setattr(maps, "put", put)
    mine = program("tail_call", made, tail_calls=21)
    for prog_type in (syscall.ProgType.KPROBE, syscall.ProgType.TRACEPOINT):
        assert mine.load(LoadedAs(prog_type), "x").fd == 77
    first, second = calls[1], calls[4]
    assert [calls[2][4], calls[5][4]] == [first[0], second[0]], "the program uses that array"
    assert first[0] != second[0]
    for gone in (first[1], second[1]):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(gone)
    # Those that are loaded beside it, or again, need the array of their kind still.
    for prog_type in (syscall.ProgType.KPROBE, syscall.ProgType.TRACEPOINT):
        assert mine.load(LoadedAs(prog_type), "x").fd == 77
    assert [code[4] for code in calls[6:]] == [first[0], second[0]]
    for kept in (first[0], second[0]):
        os.close(kept)


def test_program_without_a_map():
    mine = program()
    mine.clear()
    assert mine.map_use() is None


releases: list[str] = []  # for which kernel each of them is compiled


@pytest.fixture
def compilations(monkeypatch):
    """Every source that is asked for."""
    sources: list[Source] = []
    releases.clear()

    def compile_source(source: Source, release: str = "", architecture=None) -> ProgramObject:
        sources.append(source)
        releases.append(release)
        return CODE

    monkeypatch.setattr(programs, "compile_source", compile_source)
    programs.compiled.cache_clear()
    yield sources
    programs.compiled.cache_clear()


def test_programs_are_compiled_once_a_process(compilations, tmp_path):
    own = Program("mine.c", "", "your own program", tmp_path / "mine.c")
    for each in [*PROGRAMS.values(), own]:
        assert programs.compiled(each).name == each.name
        assert programs.compiled(each) is programs.compiled(each)
    assert len(compilations) == len(PROGRAMS) + 1
    assert compilations[-1] == Source(tmp_path / "mine.c")


def test_programs_for_a_guest_are_compiled_ahead(compilations, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = Program("mine.c", "", "your own program", Path("mine.c"))
    programs.compile_ahead([PROGRAMS["updates_8"], own])
    updates, mine, counter = compilations
    assert (updates.path.name, updates.macros) == ("updates.c", ("UPDATES=8",))
    assert mine.path == tmp_path / "mine.c", "a guest's command begins in another directory"
    assert counter.path.name == "caller_counter.c"
    assert releases == ["", "", ""]


def test_what_needs_the_formats_of_a_guests_events_is_compiled_there(compilations, tmp_path):
    for name, text in (("a.c", "TRACEPOINT_PROBE(sched, sched_switch) {}"), ("b.c", "")):
        (tmp_path / name).write_text(text)
    own = [Program(name, "", "", tmp_path / name) for name in ("a.c", "b.c")]
    programs.compile_ahead(own, "6.12")
    assert [each.path.name for each in compilations] == ["b.c", "caller_counter.c"]
    assert releases == ["6.12", "6.12"]


def test_what_does_not_compile_is_left_to_the_guest_to_say(monkeypatch):
    def fail(source: Source, release: str, architecture=None) -> ProgramObject:
        raise OverheadError("does not compile")

    monkeypatch.setattr(programs, "compile_source", fail)
    programs.compile_ahead([PROGRAMS["empty"]])
