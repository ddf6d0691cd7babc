"""The reference grid by the project and by a bare C program with libbpf: to the instruction."""

from __future__ import annotations

import json
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
def found(kernels, tmp_path_factory):
    """Overheads in one guest, by attach type and program: the project's and the bare program's."""
    folder = tmp_path_factory.mktemp("bare")
    made = bare_probe.build(folder)
    attach = [f"--attach={each}" for each in bare_probe.SECTIONS]
    with Guest(kernels[-1], preload=("ebpf_overhead.cli.measure",), shown=(folder, ROOT)) as guest:
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
