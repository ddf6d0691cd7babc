"""Guests of arm64 on a machine of another architecture: what probes cost, booted and restored.

They need an emulator, a compiler and programs of their own, and take a minute: so they are tested
where a variable asks for it, which names a kernel of arm64 that is here.
"""

from __future__ import annotations

import itertools
import json
import os

import pytest
from processes import run_command
from tolerances import BEHIND

from ebpf_overhead import architectures
from ebpf_overhead.architectures import AARCH64
from ebpf_overhead.hooks.cases import STANDARD_ATTACH_TYPES, STANDARD_PROGRAMS

VARIABLE = "EBPF_OVERHEAD_TEST_ARM64"
KERNEL = os.environ.get(VARIABLE, "")
CASES = list(itertools.product(STANDARD_PROGRAMS, STANDARD_ATTACH_TYPES))

pytestmark = [
    pytest.mark.skipif(not KERNEL, reason=f"{VARIABLE} names no kernel: 6.12-arm64"),
    pytest.mark.skipif(architectures.is_here(AARCH64.name), reason="this machine is of arm64"),
]


def grid(folder, *options):
    """Measure the grid in a guest; return the record, and its cases by name."""
    path = folder / "record.json"
    done = run_command(
        "measure", f"--kernel={KERNEL}", "--format=json", f"--output={path}", *options
    )
    assert done.returncode == 0, done.stderr
    record = json.loads(path.read_text())
    return record, {(case["program"], case["attach"]): case for case in record["cases"]}


def test_every_row_is_measured_and_the_same_from_a_saved_state(tmp_path):
    booted, cases = grid(tmp_path, "--boot")
    assert booted["machine"]["kernel"]["architecture"] == AARCH64.name
    assert booted["guest"]["cpu_model"] == f"max,{AARCH64.guest.features}"
    assert list(cases) == CASES
    for name, case in cases.items():
        assert case["status"] == "measured", (name, case["reason"])
        assert case["unit"] == "instructions"
        assert case["hits"] == case["calls"] >= 2000, name
    for program in STANDARD_PROGRAMS:
        cost = {
            attach: cases[program, attach]["overhead"]["estimate"]
            for attach in STANDARD_ATTACH_TYPES
        }
        assert 20 < cost["fentry"] < cost["raw_tracepoint"] < cost["tracepoint"] < cost["kprobe"]
    grid(tmp_path)  # Boots, and saves its state.
    _, restored = grid(tmp_path)
    for name, case in restored.items():
        tolerance = BEHIND if name[0] == "complex" else 0.2
        other = cases[name]["overhead"]["estimate"]
        assert case["overhead"]["estimate"] == pytest.approx(other, abs=tolerance), name


def test_guests_of_another_architecture_say_that_they_have_no_compiler(tmp_path):
    source = tmp_path / "mine.c"
    source.write_text("TRACEPOINT_PROBE(syscalls, sys_enter_getpid) { return args->id; }\n")
    done = run_command("measure", f"--kernel={KERNEL}", "--program", str(source))
    assert done.returncode != 0
    assert "guests of another architecture have no BCC" in done.stdout + done.stderr
