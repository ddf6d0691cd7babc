"""Object files through the command: loaded by libbpf's rules, measured as any program is."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import jsonschema
import pytest
from processes import run_command

from ebpf_overhead.bpf import libbpf
from ebpf_overhead.errors import MissingToolError, OverheadError
from ebpf_overhead.programs.elf_object import functions
from ebpf_overhead.programs.libbpf_object import relocate
from ebpf_overhead.programs.object_settings import ObjectSettings
from ebpf_overhead.studies.registry import schema

OBJECTS = Path(__file__).parents[1] / "data" / "objects"


@pytest.fixture(autouse=True, scope="module")
def _needs_libbpf():
    try:
        libbpf.library()
    except MissingToolError as error:
        pytest.skip(str(error))


@pytest.fixture
def measured(support):
    """Measure objects with the command; return the rows, and what it showed besides."""

    def measure(*names: str, options: tuple[str, ...] = (), status: int = 0):
        files = [f"--program={OBJECTS / name}.bpf.o" for name in names]
        run = run_command("measure", *files, *options, "--time=0.1", "--format=json")
        assert run.returncode == status, run.stderr
        record = json.loads(run.stdout)
        jsonschema.validate(record, schema())
        for case in record["cases"]:
            here = support.get(case["attach"])
            if case["status"] != "measured" and here and here.status != "available":
                pytest.skip(case["reason"])
        return record["cases"], run.stderr

    return measure


def is_proven(case) -> bool:
    return case["status"] == "measured" and (
        abs(case["hits"] - case["calls"]) <= case["hits_slack"] and case["calls"] >= 2000
    )


WITHOUT_COMPILER = """
import sys
from pathlib import Path
from ebpf_overhead.cli import main
from ebpf_overhead.programs import bcc
bcc._LIBRARY = "libnone.so.0"
try:
    main(prog_name="ebpf-overhead")
finally:
    used = Path("/proc/self/maps").read_text()
    print([each for each in ("libbcc", "libLLVM", "libclang", "libbpf.so") if each in used])
"""


def test_an_object_needs_no_compiler(support, tmp_path):
    """Neither BCC nor a command, nor what was compiled before."""
    if support["tp_btf"].status != "available":
        pytest.skip(support["tp_btf"].reason)
    record = tmp_path / "record.json"
    run = subprocess.run(
        [
            *(sys.executable, "-c", WITHOUT_COMPILER, "measure", "--time=0.05", "--json"),
            *(f"--program={OBJECTS}/simple-tracepoint.bpf.o", f"--output={record}", "--wait"),
        ],
        env={"PATH": "", "XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    (case,) = json.loads(record.read_text())["cases"]
    assert is_proven(case)
    assert run.stdout.splitlines()[-1] == "['libbpf.so']"


@pytest.mark.parametrize("name", ["empty", "simple", "complex"])
def test_an_object_is_measured_where_its_section_says(measured, name):
    (case,), shown = measured(f"{name}-tracepoint")
    assert is_proven(case), case["reason"]
    assert (case["attach"], case["hook"], case["target"]) == ("tp_btf", "sys_enter", "getpid")
    assert case["program"] == f"{name}-tracepoint.bpf.o"
    assert shown == ""


def test_a_section_without_a_place_is_where_the_workload_has_one(measured):
    rows, _ = measured("simple-uprobe", options=("--workload=function",))
    assert [(case["attach"], case["target"]) for case in rows] == [("uprobe", "function")]
    assert is_proven(rows[0]), rows[0]["reason"]
    assert rows[0]["map_entries"] == 1


def test_the_attach_type_may_be_another(measured):
    (case,), _ = measured("simple-uprobe", options=("--attach=raw_tracepoint",))
    assert case["attach"] == "raw_tracepoint"
    assert is_proven(case), case["reason"]


def test_what_the_verifier_rejects(measured):
    (case,), _ = measured("rejected", status=1)
    assert case["reason"] == (
        "verifier rejects rejected.bpf.o: R0 invalid mem access 'map_value_or_null'"
    )


def test_programs_that_share_a_map(measured):
    rows, _ = measured("pair")
    assert [(case["program"], case["hook"]) for case in rows] == [
        ("pair.bpf.o", "sys_exit"),
        ("pair.bpf.o:enter", "sys_enter"),
        ("pair.bpf.o:leave", "sys_exit"),
    ]
    assert all(map(is_proven, rows))
    together = rows[0]
    assert together["beside"] == {"programs": {"raw_tracepoint": 1}, "together": True}
    assert together["map_entries"] > 0, "the second program finds what the first has left"
    assert {case["object"] for case in rows} == {"pair.bpf.o"}


def test_a_program_that_jumps_into_another(measured):
    rows, _ = measured("jump", options=("--workload=getpid",))
    assert {case["program"] for case in rows} == {
        "jump.bpf.o",
        "jump.bpf.o:jump",
        "jump.bpf.o:target",
    }
    for case in rows:
        assert is_proven(case), case["reason"]
        assert case["map_entries"] > 0, "both count"


def test_hooks_that_no_workload_calls_are_rows_that_say_so(measured):
    rows, _ = measured("hooks")
    nowhere = {case["attach"]: case["reason"] for case in rows if case["status"] != "measured"}
    assert nowhere.keys() >= {"iter", "struct_ops", "mine"}
    done = {"iter/task": "loads and attaches it", "mine/hook": "loads it"}
    for hook, what in done.items():
        reason = f"the kernel {what}; no workload here calls the hook {hook}"
        assert nowhere[hook.partition("/")[0]] == reason
    proven = [case["program"].removeprefix("hooks.bpf.o:") for case in rows if is_proven(case)]
    assert "on_call" in proven
    # Those that want a verdict, where the kernel has the hook.
    assert set(proven) - {"on_call", "hooks.bpf.o"} <= {"on_packet", "on_queue", "on_egress"}


def test_a_section_that_libbpf_does_not_know_may_be_attached_by_name(measured):
    (case,), _ = measured("hooks", options=("--only=on_nothing", "--attach=raw_tracepoint"))
    assert is_proven(case), case["reason"]


def test_a_program_that_is_not_loaded_unless_it_is_named(measured):
    rows, _ = measured("pair", options=("--only=unasked",))
    assert [(case["program"], case["attach"]) for case in rows] == [("pair.bpf.o", "tp_btf")]
    assert is_proven(rows[0]), rows[0]["reason"]


def test_a_field_of_the_kernel_is_found(measured):
    (case,), _ = measured("core-found")
    assert is_proven(case), case["reason"]


def test_a_field_that_the_kernel_has_not_is_named(measured):
    (case,), _ = measured("core-missing", status=3)
    assert case["status"] == "unsupported"
    assert case["reason"] == (
        "core-missing.bpf.o: this kernel's struct task_struct has no no_such_field,"
        " which it uses (CO-RE)"
    )


def test_variables_and_sizes_of_maps_are_settable(measured):
    (case,), _ = measured("settings")
    assert (case["map_entries"], case["map_max_entries"]) == (4, 16)
    larger = ("--set=modulus=32", "--map-size=counts=64", "--set=added=0x10")
    (case,), _ = measured("settings", options=larger)
    assert is_proven(case), case["reason"]
    assert (case["map_entries"], case["map_max_entries"]) == (32, 64)
    (case,), _ = measured("settings", options=("--set=text=xyz",))
    assert case["map_entries"] == 0, "the program looks at the text, and returns"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("--set=modulos=3", "no variable of the object is called 'modulos'"),
        ("--set=modulus=4294967296", "modulus=4294967296 does not fit: it is a number of 4 bytes"),
        ("--set=text=longer-than-it", "text=longer-than-it does not fit: it is a text of 8 bytes"),
        ("--map-size=cunts=3", "no map of the object is called 'cunts'"),
    ],
)
def test_settings_that_do_not_fit_say_so(measured, options, reason):
    (case,), _ = measured("settings", options=(options,), status=1)
    assert case["reason"] == f"settings.bpf.o: {reason}"


def test_the_verifiers_log_names_lines_of_the_source(measured):
    _, shown = measured("simple-tracepoint", options=("--verifier-log",))
    assert "; u32 pid = bpf_get_current_pid_tgid() >> 32;" in shown


def test_a_map_without_a_size_says_how_to_give_it_one(measured):
    (case,), _ = measured("sizeless", status=1)
    assert "map 'sessions': failed to create: Invalid argument" in case["reason"]
    assert case["reason"].endswith("give it sizes: --map-size sessions=ENTRIES:VALUE_BYTES")
    (case,), _ = measured("sizeless", options=("--map-size=sessions=1024:80",))
    assert is_proven(case), case["reason"]


def test_an_attach_point_that_the_kernel_has_not(measured):
    """Tools name one when they start; another attach type needs none."""
    (case,), _ = measured(
        "sizeless", options=("--map-size=sessions=8:80", "--only=nowhere"), status=3
    )
    assert case["reason"] == "tracepoint no_such_event not in the kernel's BTF"
    options = ("--map-size=sessions=8:80", "--only=nowhere", "--attach=raw_tracepoint")
    (case,), _ = measured("sizeless", options=options)
    assert is_proven(case), case["reason"]


def test_damaged_objects_are_relocated_or_a_line():
    """libbpf crashes on some of them, in its own process: about two of a hundred for 1.1."""
    chance = random.Random(11)
    wholes = [(OBJECTS / f"{name}.bpf.o").read_bytes() for name in ("pair", "settings", "hooks")]
    before = len(list(Path("/proc/self/fd").iterdir()))
    ends = Counter(_end(_damaged(chance, wholes)) for _ in range(100))
    assert ends.keys() == {"relocated", "refused"}
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def _damaged(chance: random.Random, wholes: list[bytes]) -> bytes:
    content = bytearray(chance.choice(wholes))
    for _ in range(chance.randint(1, 20)):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    return bytes(content)


def _end(content: bytes) -> str:
    try:
        names = tuple(each.name for each in functions(content))
        found = relocate(content, ObjectSettings(names), "damaged.bpf.o")
    except OverheadError as error:
        return "several lines" if "\n" in str(error) else "refused"
    for fd in (found.types_fd, *found.map_fds.values()):
        if fd:
            os.close(fd)
    return "relocated"
