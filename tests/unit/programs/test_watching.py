"""Watched programs do what they did, and what their helpers returned is in the record."""

from __future__ import annotations

import random
import struct
from errno import E2BIG, EEXIST, EINVAL, ENOSPC
from itertools import repeat

import pytest
from bpf_machine import RESULTS_AT, Machine

from ebpf_overhead.bpf.helpers import HELPERS
from ebpf_overhead.bpf.loading import Details
from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.programs import watching
from ebpf_overhead.programs.insn import Insn
from ebpf_overhead.programs.program_object import Function, Reference
from ebpf_overhead.programs.watching import RESULTS, instrument

LOOKUP, UPDATE, TIME, TAIL_CALL, PERF_EVENT_READ, OUTPUT = 1, 2, 5, 12, 22, 25
TASK_STORAGE = 156


def call(number: int) -> list[Insn]:
    return [Insn(0x85, imm=number)]


def load_map(register: int) -> list[Insn]:
    return [Insn(0x18, register, 1), Insn(0)]


def copy(to: int, source: int) -> Insn:
    return Insn(0xBF, to, source)


def set_(register: int, number: int) -> Insn:
    return Insn(0xB7, register, imm=number)


EXIT = Insn(0x95)
UPDATE_COUNTS = [*load_map(1), copy(2, 10), copy(3, 10), set_(4, 0), *call(UPDATE)]


def function(*parts: list[Insn], **maps: int) -> Function:
    """A function of these instructions; maps by the index of the instruction that loads them."""
    code = b"".join(bytes(each) for part in parts for each in part)
    return Function(code, tuple(Reference(index, name) for name, index in maps.items()))


def results_of(watched: watching.Instrumented, machine: Machine) -> bytes:
    words = range(RESULTS_AT, RESULTS_AT + watched.results_bytes, 8)
    return b"".join(machine.load(at).to_bytes(8, "little") for at in words)


def seen(watched: watching.Instrumented, machine: Machine) -> list[watching.Count]:
    return watched.counts(results_of(watched, machine))


@pytest.mark.parametrize(
    ("results", "failures", "errno"),
    [
        ([0, 0, 0], 0, 0),
        ([0, -E2BIG, -EEXIST], 2, E2BIG),
        # As a map's own function returns it before Linux 6.4: an int in the lower half.
        ([0xFFFFFFFF & -EEXIST], 1, EEXIST),
        ([7, 1 << 30], 0, 0),
        # That there was no room is what matters.
        ([-EEXIST, -EEXIST, -E2BIG, -EEXIST], 4, E2BIG),
        ([-EEXIST, 0, -ENOSPC, -EINVAL], 3, ENOSPC),
    ],
)
def test_failures_are_counted_and_the_first_errno_is_kept(results, failures, errno):
    watched = instrument(function(UPDATE_COUNTS, [EXIT], counts=0))
    (site,) = watched.sites
    assert (site.helper, site.map, site.works) == (HELPERS[UPDATE], "counts", True)
    machine = Machine(results)
    for result in results:
        assert machine.run(watched.function.code) == result & (1 << 64) - 1
    (count,) = seen(watched, machine)
    assert (count.calls, count.failures, count.errno) == (len(results), failures, errno)


@pytest.mark.parametrize(
    ("result", "failures"), [(1 << 31, 0), (0xFFFFFFFF, 0), (-EEXIST & (1 << 64) - 1, 1)]
)
def test_a_number_of_64_bits_is_no_errno(result, failures):
    watched = instrument(function(load_map(1), [set_(2, 0)], call(PERF_EVENT_READ), [EXIT], c=0))
    machine = Machine([result])
    machine.run(watched.function.code)
    (count,) = seen(watched, machine)
    assert (count.calls, count.failures, count.errno) == (1, failures, EEXIST * failures)


def test_lookup_that_finds_nothing_is_a_failure_without_errno():
    find = [*load_map(1), copy(2, 10), *call(LOOKUP)]
    watched = instrument(function(find, [set_(0, 0), EXIT], counts=0))
    machine = Machine([0, 1 << 45, 0])
    for _ in range(3):
        machine.run(watched.function.code)
    (count,) = seen(watched, machine)
    assert (count.calls, count.failures, count.errno) == (3, 2, 0)
    assert count.site.map == "counts"


def test_tail_call_that_does_not_leave_is_a_failure():
    watched = instrument(
        function([*load_map(2), set_(3, 0), *call(TAIL_CALL), set_(0, 0), EXIT], to=0)
    )
    machine = Machine(repeat(0))
    machine.run(watched.function.code)
    (count,) = seen(watched, machine)
    assert (count.site.map, count.calls, count.failures) == ("to", 1, 1)


def test_value_that_is_written_is_work_and_the_own_stack_is_not():
    found = [*load_map(1), copy(2, 10), *call(LOOKUP), Insn(0x15, 0, off=2)]
    write = [set_(1, 1), Insn(0xDB, 0, 1)]
    on_stack = [copy(3, 10), Insn(0x07, 3, imm=-8), Insn(0x7A, 3, imm=5), Insn(0x7A, 10, off=-16)]
    watched = instrument(function(on_stack, found, write, [set_(0, 0), EXIT], counts=4))
    lookup, store = watched.sites
    assert (lookup.helper, store.helper, store.map) == (HELPERS[LOOKUP], None, "counts")
    machine = Machine(repeat(1 << 45))
    machine.run(watched.function.code)
    assert [each.calls for each in seen(watched, machine)] == [1, 1]
    assert machine.load(1 << 45) == 1, "the program's own addition"
    absent = Machine(repeat(0))
    absent.run(watched.function.code)
    assert [each.calls for each in seen(watched, absent)] == [1, 0]


def test_places_where_a_run_may_begin_its_work_are_known():
    """What is behind an update in all runs is not among them; its own function's places are."""
    either = [Insn(0x15, 1, off=6), *UPDATE_COUNTS]
    own_call = [Insn(0x85, 0, 1, imm=8)]
    inner = [*UPDATE_COUNTS, EXIT]
    plain = function(either, UPDATE_COUNTS, own_call, UPDATE_COUNTS, [set_(0, 0), EXIT], inner)
    assert [site.first for site in instrument(plain).sites] == [True, True, False, True]


@pytest.mark.parametrize(("flags", "works"), [(0, False), (1, True)])
def test_storage_is_looked_for_or_made(flags, works):
    """BPF_LOCAL_STORAGE_GET_F_CREATE asks for it."""
    get = [*load_map(1), set_(2, 7), set_(3, 0), set_(4, flags), *call(TASK_STORAGE), EXIT]
    (site,) = instrument(function(get, begun=0)).sites
    assert (site.works, site.helper.finds, site.map) == (works, not works, "begun")


def test_flags_that_are_not_known_may_ask_for_it():
    either = [set_(4, 0), Insn(0x15, 1, off=1), set_(4, 1)]
    get = [*load_map(1), set_(2, 7), set_(3, 0), *call(TASK_STORAGE), EXIT]
    (site,) = instrument(function(either, get, begun=3)).sites
    assert site.works


def test_each_time_that_a_value_is_written_is_counted_where_registers_are_free():
    find = [*load_map(1), copy(2, 10), *call(LOOKUP), Insn(0x15, 0, off=1)]
    kept = [Insn(0x7A, 0, imm=7)]
    free = instrument(function(find, kept, [set_(0, 0), EXIT], counts=0))
    machine = Machine(repeat(1 << 45))
    for _ in range(3):
        machine.run(free.function.code)
    assert [(each.site.counted, each.calls) for each in seen(free, machine)] == [(True, 3)] * 2
    filled = [set_(each, each) for each in range(1, 9)]
    all_used = [Insn(0x0F, 0, each) for each in range(1, 9)]
    tight = instrument(function(find, filled, kept, all_used, [EXIT], counts=0))
    machine = Machine(repeat(1 << 45))
    for _ in range(3):
        machine.run(tight.function.code)
    _, store = seen(tight, machine)
    assert (store.site.counted, store.calls) == (False, 1)


def test_jumps_lead_where_they_led():
    """Forwards over what is added, backwards, and to an instruction behind a call."""
    loop = [set_(6, 3)]
    body = [*UPDATE_COUNTS, Insn(0x07, 6, imm=-1), Insn(0x55, 6, off=-8)]
    skipped = [Insn(0x15, 6, off=6), *UPDATE_COUNTS]
    end = [copy(0, 6), EXIT]
    plain = function(loop, body, skipped, end, counts=1, more=10)
    watched = instrument(plain)
    machine, watching_machine = Machine(repeat(-E2BIG)), Machine(repeat(-E2BIG))
    assert machine.run(plain.code) == watching_machine.run(watched.function.code) == 0
    assert machine.called == watching_machine.called == [UPDATE] * 3
    first, second = seen(watched, watching_machine)
    assert (first.calls, first.failures, first.errno) == (3, 3, E2BIG)
    assert (second.site.map, second.calls) == ("more", 0)


def test_references_move_with_their_instructions():
    plain = Function(
        function(UPDATE_COUNTS, UPDATE_COUNTS, [set_(1, 0), EXIT]).code,
        (Reference(0, "first"), Reference(6, "second")),
        (Reference(12, "PID", 2),),
    )
    watched = instrument(plain)
    moved = watched.moved
    names = {name: index for index, name, _ in watched.function.maps if name != RESULTS}
    assert names == {"first": moved[0], "second": moved[6]}
    assert watched.function.constants == (Reference(moved[12], "PID", 2),)
    linked = watched.function.linked({"first": 5, "second": 6, RESULTS: 7}, {"PID": 9})
    assert linked[moved[6] * 8 + 4] == 6
    assert linked[moved[12] * 8 + 4] == 36
    results = [index for index, name, _ in watched.function.maps if name == RESULTS]
    assert [linked[index * 8 + 4] for index in results] == [7, 7, 7]
    offsets = [linked[index * 8 + 12] for index in results]
    assert offsets == [48, 0, 24], "a record for the runs, and one for each site"


def test_calls_of_own_functions_and_their_addresses_move(function_with_callback):
    watched = instrument(function_with_callback)
    new = watched.moved
    code = watched.function.code
    assert int.from_bytes(code[new[0] * 8 + 4 :][:4], "little") == new[11] - new[0] - 1
    assert int.from_bytes(code[new[2] * 8 + 4 :][:4], "little") == new[11] - new[2] - 1


@pytest.fixture
def function_with_callback() -> Function:
    address = [Insn(0x18, 6, 4, imm=10), Insn(0)]
    own_call = [Insn(0x85, 0, 1, imm=8)]
    return function(address, own_call, UPDATE_COUNTS, [set_(0, 0), EXIT], [set_(0, 1), EXIT], x=3)


def test_runs_are_counted_whatever_there_is_to_watch():
    """A jump back to the beginning is no run; the first register is the program's."""
    loop = [*call(TIME), Insn(0x15, 0, off=-2), copy(0, 1), EXIT]
    watched = instrument(function(loop))
    assert watched.sites == ()
    machine = Machine([0, 0, 1, 0, 1])
    for _ in range(2):
        machine.run(watched.function.code)
    assert machine.called == [TIME] * 5
    assert watched.runs(results_of(watched, machine)) == 2


def test_program_that_is_too_long_says_so():
    many = [UPDATE_COUNTS] * 3000
    with pytest.raises(UnsupportedError, match="too long to have its helpers watched"):
        instrument(function([Insn(0x15, 1, off=6 * 3000)], *many, [EXIT]))


def random_program(chance: random.Random) -> Function:
    """Calls and jumps in any order; what registers 6 to 9 hold says which way was gone."""
    parts: list[list[Insn]] = [[set_(number, 0) for number in (6, 7, 8, 9)]]
    for _ in range(chance.randint(1, 12)):
        number = chance.choice((UPDATE, LOOKUP, OUTPUT, TIME))
        argument = HELPERS[number].map_argument if number in HELPERS else 1
        others = [set_(each, each) for each in range(1, 6) if each != argument]
        kept = chance.randint(6, 9)
        jump = Insn(0x15, 0, off=1, imm=0)
        parts.append([*load_map(argument), *others, *call(number), jump, Insn(0x0F, kept, 0)])
    parts.append([set_(0, 0), *(Insn(0x0F, 0, number) for number in (6, 7, 8, 9)), EXIT])
    return function(*parts)


@pytest.mark.parametrize("seed", range(200))
def test_any_program_does_the_same_when_it_is_watched(seed):
    chance = random.Random(seed)
    plain = random_program(chance)
    watched = instrument(plain)
    results = [chance.choice((0, 1, -E2BIG, 1 << 45)) for _ in range(20)]
    machines = []
    for code in (plain.code, watched.function.code):
        machine = Machine(results)
        machines.append((machine.run(code), machine.called))
    assert machines[0] == machines[1]
    calls = [each.calls for each in seen(watched, machine)]
    assert calls == [1] * len(calls), "each call is counted once"
    assert watched.runs(results_of(watched, machine)) == 1


@pytest.mark.parametrize("seed", range(300))
def test_code_that_no_compiler_made_is_left_to_the_verifier(seed):
    """An object file may hold anything; it is looked at before the kernel sees it."""
    chance = random.Random(seed)
    kinds = [each.code for each in (*UPDATE_COUNTS, EXIT)] + [0x05, 0x06, 0x15, 0x7B, 0xDB, 0x79]
    code = b"".join(
        bytes(
            Insn(
                chance.choice(kinds) if chance.random() < 0.8 else chance.randrange(256),
                chance.randrange(16),
                chance.randrange(16),
                chance.randint(-9, 9) if chance.random() < 0.9 else chance.randint(-30000, 30000),
                chance.choice((1, 2, 12, 25, 130, -7, 5, 1 << 20)),
            )
        )
        for _ in range(chance.randrange(40))
    )
    plain = Function(code, details=Details(functions=struct.pack("=IIII", 0, 1, 99, 2)))
    watched = instrument(plain)
    assert set(watched.moved) == set(watching.code_of(plain).starts)
    watching.code_of(plain).context_read()
