"""When a tool is ready and when it is gone, by made-up lists of the kernel's."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from ebpf_overhead.errors import FailedError
from ebpf_overhead.tools.impact import presence as module
from ebpf_overhead.tools.impact.presence import (
    Loaded,
    Patience,
    Presence,
    require_programs,
    wait_until_gone,
    wait_until_ready,
)
from ebpf_overhead.tools.impact.starting import ToolLaunch
from ebpf_overhead.tools.top.attachments import Attachment, Link
from ebpf_overhead.tools.top.holders import Holder, Holders

FOREIGN = 5  # was there before


class Machine:
    """Programs and the processes that hold them, as time goes on."""

    def __init__(self, monkeypatch):
        self.now_s = 0.0
        self.programs = {FOREIGN: None}  # and whoever holds them
        self.links = {}
        self.plan = []  # what happens when
        for name in ("program_ids", "link_ids", "link", "find_holders"):
            monkeypatch.setattr(module, name, getattr(self, name))
        clock = SimpleNamespace(monotonic=lambda: self.now_s, sleep=self.sleep)
        monkeypatch.setattr(module, "time", clock)

    def at(self, at_s, happens):
        self.plan.append((at_s, happens))

    def loads(self, at_s, number, pid):
        self.at(at_s, lambda: self.programs.update({number: pid}))

    def drops(self, at_s, number):
        self.at(at_s, lambda: self.programs.pop(number))

    def sleep(self, seconds):
        self.now_s += seconds
        due = [each for each in self.plan if each[0] <= self.now_s]
        self.plan = [each for each in self.plan if each[0] > self.now_s]
        for _, happens in due:
            happens()

    def program_ids(self):
        return set(self.programs)

    def link_ids(self):
        return list(self.links)

    def link(self, number):
        return Link(number, self.links[number][0], Attachment("xdp"))

    def find_holders(self, pids=None):
        found = Holders()
        for number, pid in self.programs.items():
            if pid is not None and (pids is None or pid in pids):
                found.of_program[number].add(Holder(pid, "tool"))
        for number, (_, pid) in self.links.items():
            if pids is None or pid in pids:
                found.of_link[number].add(Holder(pid, "tool"))
        return found


class FakeTool:
    """A tool that is process 1, and writes what it is told to."""

    def __init__(self, *, service=False):
        self.launch = ToolLaunch(("tool",), ("stop",) if service else ())
        self.status = None
        self.left = []
        self.not_stopped = None
        self.lines = []
        self.output = SimpleNamespace(new_lines=self.new_lines, bound=lambda: None)

    def new_lines(self):
        lines, self.lines = self.lines, []
        return lines

    def look(self):
        pass

    def processes(self):
        return set() if self.launch.is_service or self.status is not None else {1}

    @property
    def has_ended(self):
        return not self.launch.is_service and self.status is not None

    def how_it_ended(self):
        return f"status {self.status}"

    def why(self, what, remedy):
        return FailedError(what, remedy)


@pytest.fixture
def machine(monkeypatch):
    return Machine(monkeypatch)


def test_ready_when_its_programs_have_been_the_same_for_a_while(machine):
    machine.loads(0.3, 10, 1)
    machine.loads(0.7, 11, 1)
    found = wait_until_ready(FakeTool(), Presence(), Patience())
    assert found == Loaded(frozenset({10, 11}))
    assert 1.2 <= machine.now_s < 1.3


def test_a_hook_that_comes_later_counts(machine):
    machine.loads(0.1, 10, 1)
    machine.at(0.5, lambda: machine.links.update({7: (10, 1)}))
    found = wait_until_ready(FakeTool(), Presence(), Patience())
    assert found == Loaded(frozenset({10}), 1)
    assert machine.now_s >= 1.0


def test_program_of_a_link_is_the_tools(machine):
    machine.programs[10] = None
    presence = Presence()
    machine.programs[11] = None
    machine.links[7] = (11, 1)
    assert presence.of(FakeTool()) == Loaded(frozenset({11}), 1)


def test_programs_of_others_do_not_count(machine):
    for number in range(100):
        machine.loads(0.1 * number, 20 + number, 2)
    machine.loads(0.2, 10, 1)
    assert wait_until_ready(FakeTool(), Presence(), Patience()).programs == {10}


def test_service_has_all_that_is_new(machine):
    machine.loads(0.2, 10, 77)
    found = wait_until_ready(FakeTool(service=True), Presence(), Patience())
    assert found.programs == {10}


def test_line_says_that_it_is_ready(machine):
    tool = FakeTool()
    machine.loads(0.2, 10, 1)
    machine.at(2.0, lambda: tool.lines.extend(["this", "all attached"]))
    patience = Patience(ready=re.compile("attached$"))
    assert wait_until_ready(tool, Presence(), patience).programs == {10}
    assert 2.0 <= machine.now_s < 2.1


def test_tool_without_programs_is_waited_for_once(machine):
    assert wait_until_ready(FakeTool(), Presence(), Patience()) == Loaded()
    assert machine.now_s == pytest.approx(10.0, abs=0.1)
    machine.now_s = 0.0
    wait_until_ready(FakeTool(), Presence(), Patience(expected=False))
    assert machine.now_s == pytest.approx(1.0, abs=0.1)


def test_never_ready(machine):
    for number in range(100):
        machine.loads(0.3 * number, 20 + number, 1)
    with pytest.raises(FailedError, match=r"did not become ready: its 3\d BPF programs still"):
        wait_until_ready(FakeTool(), Presence(), Patience())
    with pytest.raises(FailedError, match="no line of tool matched 'x' in 2 s"):
        wait_until_ready(FakeTool(), Presence(), Patience(2.0, re.compile("x")))


def test_tool_that_needs_programs_and_has_none(machine):
    tool, needed = FakeTool(), Patience(2.0, needed=True)
    tool.why = lambda what, remedy: FailedError(f"{what}; it wrote nothing", remedy)
    require_programs(tool, needed, Loaded(frozenset({10})))
    require_programs(tool, Patience(), Loaded())
    with pytest.raises(FailedError, match=r"^tool loaded no BPF program in 2 s; it wrote"):
        require_programs(tool, needed, Loaded())
    tool.status = 0
    with pytest.raises(FailedError, match=r"^tool loaded no BPF program until it ended; "):
        require_programs(tool, needed, Loaded())


def test_tool_that_ends_at_once(machine):
    tool = FakeTool()
    tool.status = 0
    assert wait_until_ready(tool, Presence(), Patience()) == Loaded()
    with pytest.raises(FailedError, match="no line of tool matched 'x' until it ended"):
        wait_until_ready(tool, Presence(), Patience(ready=re.compile("x")))
    tool.status = 2
    with pytest.raises(FailedError, match=r"tool ended after 0\.0 s with status 2"):
        wait_until_ready(tool, Presence(), Patience())


def test_tool_that_ends_and_leaves_programs(machine):
    tool, presence = FakeTool(), Presence()
    tool.status = 0
    machine.programs[10] = 2  # somebody else's
    assert wait_until_ready(tool, presence, Patience()) == Loaded()
    machine.programs[11] = None  # pinned
    with pytest.raises(FailedError, match="ended, and left BPF programs behind; give the commands"):
        wait_until_ready(tool, presence, Patience())


def test_gone_when_its_programs_are(machine):
    machine.programs |= {10: None, 11: None}
    machine.drops(0.2, 10)
    machine.drops(0.4, 11)
    wait_until_gone(FakeTool(), Loaded(frozenset({10, 11})), Presence())
    assert 0.4 <= machine.now_s < 0.5


def test_what_stays_is_named(machine):
    machine.programs[10] = 33
    with pytest.raises(FailedError, match=r"1 BPF programs of tool are still loaded .* tool 33;"):
        wait_until_gone(FakeTool(), Loaded(frozenset({10})), Presence())
    machine.programs[10] = None
    with pytest.raises(FailedError, match="held by no process"):
        wait_until_gone(FakeTool(), Loaded(frozenset({10})), Presence())


def test_what_it_pinned_stays(machine):
    """Its descriptors closed, it seemed to have no program, and to cost nothing."""
    presence = Presence()
    machine.programs[10] = None
    with pytest.raises(FailedError, match=r"1 BPF programs of tool are .* they are pinned"):
        wait_until_gone(FakeTool(), Loaded(), presence)
    wait_until_gone(FakeTool(), Loaded(), Presence())  # it was there before
    wait_until_gone(FakeTool(), Loaded(frozenset({11})), presence)  # then it is another's
    machine.programs[10] = 33
    wait_until_gone(FakeTool(), Loaded(), presence)  # another's, too


def test_processes_that_stay_are_named(machine):
    tool = FakeTool()
    tool.left = [41, 42]
    with pytest.raises(FailedError, match="processes of tool cannot be ended: 41, 42"):
        wait_until_gone(tool, Loaded(), Presence())


def test_service_whose_stop_fails_may_still_run(machine):
    """It may have no program: what is measured after it would not be without it."""
    tool = FakeTool(service=True)
    tool.not_stopped = "ended with status 5"
    tool.why = lambda what, remedy: FailedError(f"{what}; its last lines: no", remedy)
    with pytest.raises(FailedError, match=r"^stop ended with status 5; its last lines: no; check"):
        wait_until_gone(tool, Loaded(), Presence())
