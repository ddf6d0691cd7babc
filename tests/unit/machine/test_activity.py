"""What the CPUs do meanwhile, from the files of a made-up machine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ebpf_overhead.machine.activity import Ticks, interrupts, quietest, siblings, throttled, ticks
from ebpf_overhead.machine.tree import Tree
from ebpf_overhead.reading import cpu_numbers

STAT = """\
cpu  30 3 60 900 9 3 6 12 0 0
cpu0 10 1 20 300 3 1 2 4 0 0
cpu1 0 0 0 300 0 0 0 0 0 0
cpu10 5 0 5 290 0 0 0 0 7 7
intr 1 2 3
"""
INTERRUPTS = """\
           CPU0       CPU1       CPU10
  0:         11         22         33   IO-APIC   2-edge      timer
LOC:        100        200        300   Local timer interrupts
ERR:          7
MIS:          9
"""
CPUS = "sys/devices/system/cpu"


@pytest.fixture
def machine(tmp_path):
    """Return a function that makes a machine of files."""

    def plant(files):
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return Tree(tmp_path)

    return plant


def test_ticks_are_of_each_cpu(machine):
    found = ticks(machine({"proc/stat": STAT}))
    assert found == {0: Ticks(34, 4, 341), 1: Ticks(0, 0, 300), 10: Ticks(10, 0, 300)}
    assert (found[0] - found[10]).stolen == 4
    assert found[0].busy_share == 34 / 341


def test_interrupts_are_those_of_one_cpu(machine):
    tree = machine({"proc/interrupts": INTERRUPTS})
    assert [interrupts(tree, cpu) for cpu in (0, 1, 10, 2)] == [111, 222, 333, None]


def test_what_nothing_counts_is_unknown(machine):
    tree = machine({})
    assert (ticks(tree), interrupts(tree, 0), throttled(tree, 0)) == ({}, None, None)
    assert siblings(tree, 0) == set()


def test_heat_slows_a_core_or_a_package(machine):
    heat = f"{CPUS}/cpu3/thermal_throttle"
    tree = machine({f"{heat}/core_throttle_count": "2\n", f"{heat}/package_throttle_count": "5\n"})
    assert throttled(tree, 3) == 7


@pytest.mark.parametrize(
    ("text", "cpus"),
    [("0", [0]), ("0-2,8", [0, 1, 2, 8]), ("", []), ("3-", []), ("(null)", [])],
)
def test_lists_of_cpus(text, cpus):
    assert cpu_numbers(text) == cpus


IDLE = {cpu: Ticks(0, 0, 0) for cpu in range(4)}


@pytest.mark.parametrize(
    ("busy", "isolated", "chosen"),
    [
        ({}, "", 3),
        ({3: 2}, "", 3),  # A tick may fall on anybody.
        ({3: 10}, "", 2),
        ({3: 10, 2: 8, 0: 1}, "", 1),
        ({3: 10, 2: 10, 1: 10, 0: 10}, "", 3),
        ({1: 10}, "0-1", 0),
        ({}, "7", 3),  # Not one that this process may use.
    ],
)
def test_the_quietest_cpu(machine, busy, isolated, chosen):
    lines = "".join(f"cpu{cpu} {busy.get(cpu, 0)} 0 0 10 0 0 0 0 0 0\n" for cpu in range(4))
    tree = machine({"proc/stat": lines, f"{CPUS}/isolated": isolated})
    assert quietest(range(4), IDLE, tree) == chosen


def test_a_busy_sibling_counts(machine):
    stat = "".join(f"cpu{cpu} {10 * (cpu == 0)} 0 0 10 0 0 0 0 0 0\n" for cpu in range(4))
    lists = {
        f"{CPUS}/cpu{cpu}/topology/thread_siblings_list": f"{cpu % 2},{cpu % 2 + 2}"
        for cpu in range(4)
    }
    tree = machine({"proc/stat": stat, **lists})
    assert quietest([0, 2], IDLE, tree) == 2
    assert quietest(range(3), IDLE, tree) == 1


def test_a_cpu_that_has_just_come_counts_from_now(machine):
    tree = machine({"proc/stat": "cpu0 90 0 0 0 0 0 0 0 0 0\ncpu1 500 0 0 0 0 0 0 0 0 0\n"})
    assert quietest([0, 1], {0: replace(Ticks(), busy=40)}, tree) == 1
