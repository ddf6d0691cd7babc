"""The reference grid by the project and by a bare C program with libbpf: to the instruction."""

from __future__ import annotations

import json
import subprocess
import sys

import bare_probe
import pytest
from processes import ROOT
from tolerances import BEHIND, EXACT

from ebpf_overhead.guest.vm import Guest

MEASURE = [sys.executable, "-m", "ebpf_overhead.cli", "measure", "--json"]
# complex copies the name of the process, which takes an instruction or five per character.
NAME = [sys.executable, "-c", "print(open('/proc/thread-self/comm').read())"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the bare programs are."""
    return tmp_path_factory.mktemp("bare")


@pytest.fixture(scope="module")
def guest(kernels, folder):
    with Guest(kernels[-1], preload=("ebpf_overhead.cli.measure",), shown=(folder, ROOT)) as guest:
        yield guest


@pytest.fixture(scope="module")
def found(guest, folder):
    """Overheads in one guest, by attach type and program: the project's and the bare program's."""
    made = bare_probe.build(folder)
    attach = [f"--attach={each}" for each in bare_probe.SECTIONS]
    run = guest.run([*MEASURE, *attach], timeout=200)
    assert run.exit_status == 0, run.stderr
    pairs, name = {}, guest.run(NAME).stdout.strip()
    for case in json.loads(run.stdout)["cases"]:
        key = case["attach"], case["program"]
        words = bare_probe.words(made, *key, calls=1000, windows=20, rounds=1, cpu=0)
        bare = guest.run([*words, name], timeout=100)
        assert bare.exit_status == 0, bare.stderr
        pairs[key] = case["overhead"]["estimate"], bare_probe.parse(bare.stdout).overhead
    return pairs


@pytest.mark.parametrize("program", bare_probe.PROGRAMS)
@pytest.mark.parametrize("attach", bare_probe.SECTIONS)
def test_a_probe_costs_what_it_costs_a_bare_c_program(found, note, attach, program):
    ours, bare = found[attach, program]
    note(f"{attach}/{program}: {ours:.3f} instructions here, {bare:.3f} in a bare C program")
    assert ours > 30
    assert ours == pytest.approx(bare, abs=BEHIND if program == "complex" else EXACT)


def test_complex_does_so_to_the_instruction_somewhere(found):
    pairs = [found[attach, "complex"] for attach in bare_probe.SECTIONS]
    assert min(abs(ours - bare) for ours, bare in pairs) < EXACT


@pytest.fixture(scope="module")
def mapped(guest, folder):
    """What a process takes for mappings, by where a uprobe is (docs/bystanders.md)."""
    made = folder / "bare_maps"
    source = ROOT / "tests/bare_maps.c"
    subprocess.run(["cc", "-O2", "-static", "-o", made, source], check=True)
    run = guest.run(
        [sys.executable, str(ROOT / "tests/cost/mappings.py"), str(made), "12"], timeout=200
    )
    assert run.exit_status == 0, run.stderr
    return {each["condition"]: each for each in map(json.loads, run.stdout.splitlines())}


# The counter of instructions goes on in steps of eight or so here: twenty mappings are a window.
NEXT_TO_NOTHING = 12


def test_file_is_looked_at_when_it_is_mapped_while_any_process_has_a_uprobe(mapped):
    before, now = mapped["no probe"], mapped["uprobe of another process"]
    assert abs(now["anonymous"] - before["anonymous"]) <= NEXT_TO_NOTHING
    assert 60 < now["file_to_read"] - before["file_to_read"] < 300
    assert now["file_to_write"] - before["file_to_write"] < 60


@pytest.mark.parametrize("probe", ["uprobe", "uprobe_multi"])
def test_file_is_looked_at_when_it_is_unmapped_too_by_a_process_with_a_uprobe(mapped, probe):
    others, now = mapped["uprobe of another process"], mapped[probe]
    assert abs(now["anonymous"] - others["anonymous"]) <= NEXT_TO_NOTHING
    assert now["file_to_read"] > others["file_to_read"] + NEXT_TO_NOTHING
    assert now["file_to_write"] > others["file_to_write"] + 2 * NEXT_TO_NOTHING


@pytest.mark.parametrize("probe", ["uprobe, single-stepped", "uretprobe"])
def test_probe_that_needs_code_in_the_process_costs_all_mappings_what_one_more_does(mapped, probe):
    plain, now = mapped["uprobe"], mapped[probe]
    assert now["mappings"] == plain["mappings"] + 1
    for kind in ("file_to_read", "file_to_write"):
        difference = (now[kind] - now["anonymous"]) - (plain[kind] - plain["anonymous"])
        assert abs(difference) <= 2 * NEXT_TO_NOTHING, kind
