"""Where instructions go: from places that were stepped through to tables."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree

import jsonschema
import pytest

from ebpf_overhead.errors import FailedError
from ebpf_overhead.guest.debugger import Stop
from ebpf_overhead.studies.explain import disassembly, flames
from ebpf_overhead.studies.explain.call_stacks import USER, call_stacks
from ebpf_overhead.studies.explain.calling import Started
from ebpf_overhead.studies.explain.record import _OF_THIS_LOAD, make_record
from ebpf_overhead.studies.explain.run import Explained, Explanation, SteppedCall
from ebpf_overhead.studies.explain.stepping import step_calls
from ebpf_overhead.studies.explain.symbols import Symbols, read_symbols
from ebpf_overhead.studies.explain.tables import agrees, notes, tables
from ebpf_overhead.studies.registry import schema

KERNEL = 0xFFFFFFFF81000000
ENTRY, CALL, HOOK, PROGRAM, HELPER = (KERNEL + 0x100 * number for number in range(1, 6))
TAG = "_0123456789abcdef"
KALLSYMS = f"""\
{ENTRY:016x} T entry_SYSCALL_64
{CALL:016x} T __do_sys_getpid
{CALL:016x} T __some_text_end
{HOOK:016x} t bpf_trampoline_6442475264
{PROGRAM:016x} t bpf_prog{TAG}_empty\t[bpf]
{HELPER:016x} T bpf_ktime_get_ns
{HELPER:016x} d data_of_that_name
""".encode()
# The user's stack, and the kernel's.
LOW, HIGH = 0x7FFF0000, 0xFFFFC90000004000
LOOP, BACK = 0x401000, 0x402000


def call(*inner: Stop) -> list[Stop]:
    """Return a call of the loop: two instructions in user space, then the kernel."""
    user = [Stop(LOOP, LOW), Stop(LOOP + 4, LOW)]
    entry = [Stop(ENTRY, LOW), Stop(ENTRY + 3, HIGH)]
    back = [Stop(ENTRY + 9, HIGH)] if inner else []
    return [*user, *entry, *inner, *back]


# Called from the entry: pushes 8 bytes, and comes back.
PLAIN = [Stop(CALL, HIGH - 8), Stop(CALL + 4, HIGH - 16), Stop(CALL + 5, HIGH - 8)]
PROBED = [
    Stop(CALL, HIGH - 8),
    Stop(HOOK, HIGH - 16),
    Stop(PROGRAM, HIGH - 24),
    Stop(HELPER, HIGH - 32),
    Stop(PROGRAM + 5, HIGH - 24),
    Stop(HOOK + 5, HIGH - 16),
    Stop(CALL + 5, HIGH - 8),
]


class Replay:
    """A guest that executes places from a list."""

    def __init__(self, places):
        self._places = list(places)

    def run_to(self, address):
        assert self._places[0].pc == address

    def place(self):
        return self._places[0]

    def step(self):
        self._places.pop(0)
        return self._places[0]

    def read(self, address, length_bytes):
        return BACK.to_bytes(length_bytes, "little")


def window(*calls):
    """Return the places of a window: what is before the loop's body, the calls, the return."""
    before = [Stop(LOOP - 8, LOW - 8), Stop(LOOP - 4, LOW)]
    return [*before, *(place for each in calls for place in each), Stop(BACK, LOW)]


def test_calls_are_taken_from_one_beginning_to_the_next():
    places = window(call(*PLAIN), call(*PROBED), call(*PLAIN))
    assert step_calls(Replay(places), LOOP - 8) == [call(*PLAIN), call(*PROBED)]


def test_an_inner_loop_is_not_taken_for_the_body():
    inner = [Stop(LOOP + 2, LOW), Stop(LOOP + 3, LOW)] * 5
    each = [Stop(LOOP, LOW), *inner, Stop(LOOP + 4, LOW)]
    assert step_calls(Replay(window(each, each, each)), LOOP - 8) == [each, each]


def test_a_loop_of_other_calls_is_refused():
    with pytest.raises(FailedError, match="no instruction of the loop was executed 3 times"):
        step_calls(Replay(window(call())), LOOP - 8)


def test_endless_calls_are_refused(monkeypatch):
    monkeypatch.setattr("ebpf_overhead.studies.explain.stepping._MOST_STEPS", 10)
    with pytest.raises(FailedError, match="more than 10 instructions"):
        step_calls(Replay(window(call(*PROBED), call(*PROBED))), LOOP - 8)


def test_each_instruction_has_the_functions_that_called_it():
    stacks = call_stacks(call(*PROBED), lambda address: Symbols(KALLSYMS).find(address)[0])
    folded = {";".join(frame.name for frame in stack): count for stack, count in stacks.items()}
    entry = "user space;entry_SYSCALL_64"
    inside = f"{entry};__do_sys_getpid;bpf_trampoline_6442475264;bpf_prog{TAG}_empty"
    assert folded.pop("user space") == 2
    assert folded.pop(f"{inside};bpf_ktime_get_ns") == 1
    assert folded.pop(inside) == 2
    assert folded.pop(inside.rpartition(";")[0]) == 2
    assert folded.pop(f"{entry};__do_sys_getpid") == 2
    # The entry begins on the user's stack.
    assert folded == {entry: 3}


def test_a_function_that_jumps_to_another_is_replaced_by_it():
    places = call(Stop(CALL, HIGH - 8), Stop(HELPER, HIGH - 8), Stop(HELPER + 1, HIGH - 8))
    stacks = call_stacks(places, lambda address: Symbols(KALLSYMS).find(address)[0])
    assert not any({"__do_sys_getpid", "bpf_ktime_get_ns"} <= {f.name for f in s} for s in stacks)


def test_user_space_is_one_frame():
    assert call_stacks([Stop(LOOP, LOW)], str) == {(USER,): 1}


def test_a_name_is_that_of_a_function_and_not_of_a_section():
    symbols = Symbols(KALLSYMS)
    assert symbols.find(CALL + 7) == ("__do_sys_getpid", 7)
    assert symbols.find(HELPER + 1) == ("bpf_ktime_get_ns", 1)
    assert symbols.find(5) == ("[unknown]", 0)


def test_hidden_addresses_are_refused():
    with pytest.raises(FailedError, match="no addresses"):
        Symbols(b"0000000000000000 T entry\n")


def test_a_link_of_the_guests_is_not_followed(tmp_path):
    (tmp_path / "symbols").symlink_to("/etc/passwd")
    with pytest.raises(FailedError, match="cannot be read"):
        read_symbols(tmp_path / "symbols")


def test_a_pipe_of_the_guests_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "symbols")
    with pytest.raises(FailedError, match="no addresses"):
        read_symbols(tmp_path / "symbols")


def stepped(places, code=None):
    started = Started(LOOP, "__do_sys_getpid")
    return SteppedCall(places, True, started, Symbols(KALLSYMS), code or {})


def explanation(release="6.12.1", estimate=4.0, code=None, row=None):
    row = row or {
        "target": "getpid",
        "attach": "fentry",
        "program": "empty",
        "status": "measured",
        "reason": None,
        "remedy": None,
        "program_tag": "0123456789abcdef",
        "overhead": {"estimate": estimate},
    }
    halves = (
        [stepped(call(*PLAIN)), stepped(call(*PROBED), code)] if row["status"] == "measured" else []
    )
    measured = {
        "machine": {"kernel": {"release": release}},
        "guest": {"clock": "icount"},
        "phases_s": {"boot": 1.0, "measure": 2.0, "total": 3.0},
    }
    return Explanation(measured, [Explained(row, *halves)])


def record(**given):
    made = make_record(explanation(**given))
    jsonschema.validate(made, schema("explain"))
    return made


def test_functions_are_counted_by_part_without_what_differs_from_load_to_load():
    (case,) = record()["cases"]
    rows = {
        (row["name"], row["part"]): (row["unprobed"], row["probed"]) for row in case["functions"]
    }
    assert rows["bpf_trampoline", "dispatch"] == (0, 2)
    assert rows["bpf_prog_empty", "program"] == (0, 2)
    assert rows["bpf_ktime_get_ns", "helpers"] == (0, 1)
    assert rows["__do_sys_getpid", "target"] == (3, 2)
    assert rows["user space", "user"] == (2, 2)
    for half in ("unprobed", "probed"):
        assert case[half] == sum(row[half] for row in case["functions"])
        assert case[half] == sum(case[f"{half}_stacks"].values())


def test_table_of_one_case_has_what_changes():
    (table,) = tables(record())
    rows = {row[0].strip(): row[1:] for row in table.rows}
    assert rows["bpf_prog_empty"] == ("0", "2", "+2")
    assert rows["all"] == ("8", "12", "+4")
    assert "entry_SYSCALL_64" not in rows


def test_table_of_two_kernels_has_their_difference():
    made = record()
    other = record(release="7.3.4")
    (table,) = tables({**made, "cases": [*made["cases"], *other["cases"]]})
    assert table.headings == ("Function", "6.12.1", "7.3.4", "difference")
    assert table.rows[-1] == ("all", "+4", "+4", "")


def test_a_sum_that_is_not_what_was_measured_is_said():
    same, other = record(), record(estimate=5.0)
    assert agrees(same["cases"][0])
    assert not agrees(other["cases"][0])
    assert notes(same) == [
        "fentry empty on getpid, 6.12.1: stepped through +4, measured +4.00 per call"
    ]
    assert notes(other)[0].endswith("one call was stepped through, and not all are alike")


def test_a_case_that_was_not_measured_has_its_reason():
    why = {"status": "unsupported", "reason": "no such hook", "remedy": "another kernel"}
    names = {"target": "getpid", "attach": "fentry", "program": "empty"}
    made = record(row={**names, **why})
    assert tables(made) == []
    assert "no such hook; another kernel" in notes(made)[0]
    with pytest.raises(FailedError, match="nothing to draw"):
        flames.draw_flames(made)


def test_flame_graphs_are_drawn_on_one_scale():
    drawn = flames.draw_flames(record())
    assert "12 instructions per call" in drawn
    assert "samples" not in drawn
    ElementTree.fromstring(drawn)


def test_instructions_are_disassembled_in_their_order():
    code = {place.pc: b"\x90\xc3" for place in call(*PROBED)} | {HELPER: b"", PROGRAM: b"\xc3"}
    (case,) = record(code=code)["cases"]
    rows = list(disassembly._rows(case["instructions"]))
    texts = {where: text for where, _, text in rows}
    assert texts[f"bpf_prog{TAG}_empty+0x0"] == "ret"
    assert texts["bpf_ktime_get_ns+0x0"] == "(bad)"
    assert texts["bpf_trampoline_6442475264+0x5"] == "nop"


@pytest.mark.parametrize("name", ["bpf_trampoline_6442475264", "bpf_trampoline_13584_0"])
def test_trampolines_of_all_kernels_have_one_name(name):
    assert _OF_THIS_LOAD.sub("", name) == "bpf_trampoline"
