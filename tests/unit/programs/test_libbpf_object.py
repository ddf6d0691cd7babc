"""The process in which libbpf works: what it may, what it says, and how it ends."""

from __future__ import annotations

import json
import os
import resource
import signal
import time
from pathlib import Path

import pytest

from ebpf_overhead.bpf.structures import BpfInsn
from ebpf_overhead.errors import BadUseError, FailedError
from ebpf_overhead.programs import confinement, libbpf_child, libbpf_object
from ebpf_overhead.programs.libbpf_object import relocate
from ebpf_overhead.programs.object_settings import ObjectSettings
from ebpf_overhead.programs.program_object import Reference

OBJECT = (Path(__file__).parents[2] / "data/objects/pair.bpf.o").read_bytes()
BOTH = ObjectSettings(("enter", "leave"))
EXIT = bytes(BpfInsn(0x95))
MAP = bytes(BpfInsn(0x18, 1, 1, 0, 7)) + bytes(8)
VALUE = bytes(BpfInsn(0x18, 1, 2, 0, 8)) + bytes(BpfInsn(0, 0, 0, 0, 16))
NUMBER = bytes(BpfInsn(0x18, 1, 0, 0, 7)) + bytes(8)


def load(code: bytes = EXIT) -> dict[str, object]:
    numbers = {"prog_type": 26, "attach": 23, "btf_id": 11, "flags": 16, "kernel_version": 5}
    types = {"functions": "0100", "function_bytes": 8, "lines": "", "line_bytes": 16}
    return {"code": code.hex(), "licence": "GPL", **numbers, **types}


def answer(programs: dict[str, object], **more: object) -> dict[str, object]:
    nothing = {"maps": {}, "slots": [], "tables": [], "has_types": False, "notes": []}
    return {"programs": programs, **nothing, **more}


@pytest.fixture
def child(monkeypatch):
    """Have a child do something else than libbpf, unconfined: that needs privileges."""

    def does(act):
        monkeypatch.setattr(confinement, "confine", lambda kept: None)
        monkeypatch.setattr(
            libbpf_child, "relocated", lambda content, wanted, aside: act(wanted, *aside)
        )

    return does


def test_an_answer_is_functions_and_descriptors(child):
    def act(wanted):
        types, counts, data = (os.memfd_create(name) for name in ("types", "counts", "data"))
        programs = {"enter": load(MAP + NUMBER + VALUE + EXIT), "leave": load()}
        made = {"maps": {"counts": 7, "data": 8}, "slots": [(7, 3, "leave")], "has_types": True}
        return answer(programs, **made), [types, counts, data]

    child(act)
    found = relocate(OBJECT, BOTH, "pair.bpf.o")
    function = found.functions["enter"]
    assert function.maps == (Reference(0, "counts"), Reference(4, "data"))
    # What stands for a map is taken out; a number and the place in a map's value stay.
    assert function.linked({"counts": 7, "data": 8}, {}) == MAP + NUMBER + VALUE + EXIT
    assert function.linked({"counts": 0, "data": 0}, {}) == function.code
    assert function.details.functions == b"\1\0"
    assert (function.details.flags, function.details.kernel_version) == (16, 5)
    names = [Path(f"/proc/self/fd/{fd}").readlink().name for fd in found.map_fds.values()]
    assert [name.split()[0] for name in names] == ["memfd:counts", "memfd:data"]
    assert "memfd:types" in str(Path(f"/proc/self/fd/{found.types_fd}").readlink())
    assert found.slots == [("counts", 3, "leave")]
    for fd in (found.types_fd, *found.map_fds.values()):
        os.close(fd)


def die(wanted):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_child_that_dies_is_one_line_and_leaves_nothing(child):
    before = sorted(map(str, Path("/proc/self/fd").iterdir()))
    child(die)
    with pytest.raises(FailedError, match=r"pair.bpf.o: .* ended with signal SIGKILL"):
        relocate(OBJECT, BOTH, "pair.bpf.o")
    assert sorted(map(str, Path("/proc/self/fd").iterdir())) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_child_that_raises_ends_and_does_not_go_on(child):
    child(lambda wanted: 1 / 0)
    with pytest.raises(FailedError, match="ended with status 1"):
        relocate(OBJECT, BOTH, "pair.bpf.o")


def test_a_child_that_takes_for_ever_is_ended(child, monkeypatch):
    monkeypatch.setattr(libbpf_object, "_PATIENCE_S", 0.2)
    child(lambda wanted: time.sleep(3600))
    with pytest.raises(FailedError, match="libbpf took more than 0 s"):
        relocate(OBJECT, BOTH, "pair.bpf.o")
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.parametrize(
    "said",
    [
        {},
        [1],
        answer(3),
        answer({}, maps={"a": "b"}),
        answer({}, maps={"a": 3}),  # no descriptor comes with it
        answer({}, slots=[[1]]),
        answer({"enter": {}}),
        answer({"enter": load() | {"code": "zz"}}),
        answer({"enter": load(MAP)}),  # of no map that it made
    ],
)
def test_a_child_that_lies_is_one_line(child, said):
    child(lambda wanted: (said, []))
    with pytest.raises(FailedError, match=r"pair.bpf.o: what libbpf made of it cannot be used"):
        relocate(OBJECT, BOTH, "pair.bpf.o")


def test_a_program_whose_attach_point_is_not_there_is_relocated_all_the_same(child):
    """Another attach type may be asked for; and if not, that one says what is not there."""

    def act(wanted, aside=""):
        if aside != "enter":
            raise FailedError("prog 'enter': failed to find kernel BTF type ID of 'gone': -3")
        return answer({name: load() for name in wanted.programs}), []

    child(act)
    found = relocate(OBJECT, BOTH, "pair.bpf.o")
    assert found.functions.keys() == {"enter", "leave"}
    assert not found.failures


def test_a_program_that_cannot_be_relocated_leaves_the_others(child):
    def act(wanted):
        if "enter" in wanted.programs:
            raise FailedError("prog 'enter': bad map relo against 'gone' in section 'x'")
        return answer({"leave": load()}), []

    child(act)
    found = relocate(OBJECT, BOTH, "pair.bpf.o")
    assert found.functions.keys() == {"leave"}
    assert found.failures.keys() == {"enter"}
    with pytest.raises(FailedError, match=r"pair.bpf.o: prog 'enter': bad map relo"):
        raise found.failures["enter"]
    with pytest.raises(FailedError, match="bad map relo"):
        relocate(OBJECT, ObjectSettings(("enter",)), "pair.bpf.o")


def test_other_failures_are_of_the_whole_object(child):
    def act(wanted):
        raise FailedError("libbpf cannot open it: BTF is required, but is missing or corrupted")

    child(act)
    with pytest.raises(FailedError, match=r"pair.bpf.o: libbpf cannot open it: BTF is required"):
        relocate(OBJECT, BOTH, "pair.bpf.o")


def test_wrong_settings_are_bad_use(child):
    def act(wanted):
        raise BadUseError("no map of the object is called 'x'", "choose counts")

    child(act)
    with pytest.raises(BadUseError, match="no map of the object is called 'x'; choose counts"):
        relocate(OBJECT, BOTH, "pair.bpf.o")


def test_the_child_has_no_files_little_memory_and_no_powers(tmp_path):
    """What an object could do that takes the child over."""
    if os.geteuid():
        pytest.skip("only root gives powers away")
    said = os.memfd_create("said")
    kept = os.open(os.devnull, os.O_RDONLY)
    own_bytes = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    child = os.fork()
    if child == 0:
        try:
            confinement.confine([said])
            os.pwrite(said, json.dumps(_powers(tmp_path, kept)).encode(), 0)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    found = json.loads(os.pread(said, 1 << 16, 0))
    os.close(said)
    os.close(kept)
    # CAP_NET_ADMIN, CAP_SYS_RESOURCE, CAP_SYSLOG, CAP_PERFMON, CAP_BPF, as far as held before.
    assert int(found.pop("CapEff"), 16) & ~0xC401001000 == 0
    assert int(found.pop("bytes")) <= own_bytes + (1 << 30) + (64 << 20)
    assert found == {
        "users": [65534, 65534, 65534],
        "file": "EBADF",
        "write": "EACCES",
        "fork": "EAGAIN",
        "groups": [],
    }


def _powers(place, file):
    import errno

    def refused(act, *arguments):
        try:
            act(*arguments)
        except OSError as error:
            return errno.errorcode[error.errno]
        return "done"

    status = Path("/proc/self/status").read_text()
    return {
        "CapEff": status.partition("CapEff:")[2].split()[0],
        "users": os.getresuid(),
        "groups": os.getgroups(),
        "bytes": resource.getrlimit(resource.RLIMIT_AS)[1],
        "file": refused(os.fstat, file),
        "write": refused(os.mkdir, place / "new"),
        "fork": refused(os.fork),
    }
