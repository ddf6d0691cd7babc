"""Object files in guests: relocated for the guest's kernel, and as expensive as BCC's programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from processes import run_command
from tolerances import BEHIND, EXACT

OBJECTS = Path(__file__).parents[1] / "data" / "objects"
SOURCES = Path(__file__).parents[2] / "probes"
PROGRAMS = ("empty", "simple", "complex")
# What an object's name says of its section, and the attach type of BCC's programs.
ATTACHED = {"tracepoint": "tp_btf", "fentry": "fentry", "kprobe": "kprobe", "uprobe": "uprobe"}
# A uprobe is looked up in the map of the process's memory, which changes by what is loaded into the
# process.  The same program of BCC before and behind an object's differs by this, too.
LOOK_UP = 60


@pytest.fixture(scope="module", params=range(3), ids=["oldest", "second", "newest"])
def rows(request, kernels, tmp_path_factory):
    """All twelve objects and BCC's three programs on a kernel, by name and attach type.

    Uprobes of both are measured in one process: see `LOOK_UP`.
    """
    if request.param >= len(kernels):
        pytest.skip("there are fewer kernels here")
    release = kernels[request.param].release
    twelve = [f"{program}-{kind}" for program in PROGRAMS for kind in ATTACHED]
    found = _measured(
        release,
        *(OBJECTS / f"{name}.bpf.o" for name in (*twelve, "core-missing", "settings", "uncalled")),
    )
    folder = tmp_path_factory.mktemp("sources")
    again = [OBJECTS / f"{program}-uprobe.bpf.o" for program in PROGRAMS]
    for program in PROGRAMS:
        again.append(folder / f"{program}.c")
        again[-1].write_text((SOURCES / f"{program}.c").read_text())
    attach = [f"--attach={each}" for each in ATTACHED.values()]
    functions = ["--workload=getpid", "--workload=function"]
    return found | _measured(release, *again, options=[*attach, *functions])


def _measured(release: str, *files: Path, options: Sequence[str] = ()):
    programs = [f"--program={path}" for path in files]
    run = run_command("measure", f"--kernel={release}", "--json", *programs, *options, timeout=300)
    assert run.returncode == 0, run.stderr
    return {
        (case["program"].removesuffix(".bpf.o").removesuffix(".c"), case["attach"]): case
        for case in json.loads(run.stdout)["cases"]
        if case["target"] in ("getpid", "function")
    }


def _difference(rows, program: str, kind: str) -> float:
    """How much more an object costs than BCC's program."""
    mine, bccs = rows[f"{program}-{kind}", ATTACHED[kind]], rows[program, ATTACHED[kind]]
    assert mine["status"] == bccs["status"] == "measured", mine["reason"] or bccs["reason"]
    assert mine["hits"] == mine["calls"] >= 2000
    assert mine["hook"] == bccs["hook"]
    return abs(mine["overhead"]["estimate"] - bccs["overhead"]["estimate"])


@pytest.mark.parametrize("kind", ATTACHED)
@pytest.mark.parametrize("program", PROGRAMS)
def test_an_object_costs_what_bccs_program_does(rows, program, kind):
    """To the instruction: the compilers' code differs in nothing that is run."""
    allowed = LOOK_UP if kind == "uprobe" else BEHIND if program == "complex" else EXACT
    assert _difference(rows, program, kind) < allowed


def test_complex_does_so_to_the_instruction_somewhere(rows):
    assert min(_difference(rows, "complex", kind) for kind in ATTACHED) < EXACT


def test_what_a_kernel_lacks_is_looked_up_in_that_kernel(rows):
    case = rows["core-missing", "tp_btf"]
    assert case["status"] == "unsupported"
    assert "this kernel's struct task_struct has no no_such_field" in case["reason"]


def test_programs_are_attached_where_no_workload_calls_them(rows):
    told = {attach: case["reason"] for (name, attach), case in rows.items() if "uncalled" in name}
    assert (
        told["iter"]
        == "the kernel loads and attaches it; no workload here calls the hook iter/task"
    )
    # Since 6.7, 35dfaad7188c.
    assert "no workload here calls" in told["netkit"] or "does not attach it" in told["netkit"]


def test_a_table_of_functions_is_put_in_place(kernels):
    """The kernel takes this one only with the functions that a congestion control must have."""
    where = f"--kernel={kernels[-1].release}"
    run = run_command(
        *("measure", where, "--json", f"--program={OBJECTS / 'hooks.bpf.o'}", "--only=on_ack")
    )
    (case,) = json.loads(run.stdout)["cases"]
    assert (
        case["reason"]
        == "the kernel loads and attaches it; no workload here calls the hook struct_ops/cong_avoid"
    )


def test_the_configuration_is_that_of_the_guests_kernel(rows):
    """libbpf finds it in no file there."""
    case = rows["settings", "raw_tracepoint"]
    assert case["status"] == "measured", case["reason"]
    assert case["map_entries"] == 4, "it knows the version of the kernel"
