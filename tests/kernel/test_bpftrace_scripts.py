"""Scripts of bpftrace's: bpftrace compiles them and attaches nothing; they are measured as any."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import gate
import jsonschema
import pytest
from bpftrace_script import SCRIPT
from processes import open_descriptors, run_command, start_python

from ebpf_overhead.bpf import map_entries, maps
from ebpf_overhead.errors import MissingToolError, OverheadError
from ebpf_overhead.programs import bpftrace_run
from ebpf_overhead.programs.bpftrace_object import of_script
from ebpf_overhead.programs.bpftrace_run import run_script
from ebpf_overhead.programs.bpftrace_text import probes_of
from ebpf_overhead.programs.object_settings import ObjectSettings
from ebpf_overhead.studies.registry import schema

ENTER, EXIT = "tracepoint:syscalls:sys_enter_getpid", "tracepoint:syscalls:sys_exit_getpid"


@pytest.fixture(autouse=True, scope="module")
def _needs_bpftrace():
    try:
        bpftrace_run.bpftrace_path()
    except MissingToolError as error:
        gate.cannot_run(str(error))


@pytest.fixture(scope="module")
def cases(tmp_path_factory, support):
    if support["tracepoint"].status != "available":
        gate.cannot_run("this kernel has no tracepoint")
    path = tmp_path_factory.mktemp("script") / "script.bt"
    path.write_text(SCRIPT)
    run = run_command("measure", "--program", str(path), "--time=0.05", "--format=json", "--wait")
    assert run.returncode == 0, run.stderr
    record = json.loads(run.stdout)
    jsonschema.validate(record, schema())
    return {case["program"].removeprefix("script.bt").lstrip(":"): case for case in record["cases"]}


@pytest.mark.parametrize(
    ("name", "attach"),
    [(ENTER, "tracepoint"), (EXIT, "tracepoint_exit"), (f"{ENTER}#2", "tracepoint")],
)
def test_each_probe_is_attached_where_the_script_says(cases, name, attach):
    case = cases[name]
    assert case["status"] == "measured", case["reason"]
    assert case["attach"] == attach
    assert case["hook"] == name.removeprefix("tracepoint:").removesuffix("#2")
    assert abs(case["hits"] - case["calls"]) <= case["hits_slack"]


def test_what_begin_stores_is_there(cases):
    """The second one counts only if it finds that, each time it is measured."""
    case = cases[f"{ENTER}#2"]
    assert not [each for each in case.get("findings", ()) if "early" in each["what"]]
    assert "@seen" in {each["name"] for each in case["maps"] if each["entries"]}


def test_probes_find_what_the_others_store(cases):
    together = cases[""]
    assert together["status"] == "measured", together["reason"]
    assert {each["name"] for each in together["maps"] if each["entries"]} >= {"@start", "@ns"}
    assert not [each for each in together.get("findings", ()) if "@start" in each["what"]]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("BEGIN", "BEGIN: runs once, when the script starts"),
        ("END", "END: runs once, when the script ends"),
        ("interval:s:1", "interval:s:1: runs by the clock"),
    ],
)
def test_what_no_call_runs_says_so(cases, name, why):
    assert (cases[name]["status"], cases[name]["reason"]) == ("unsupported", why)


def test_what_names_no_one_place_says_what_to_write(tmp_path):
    path = tmp_path / "many.bt"
    path.write_text(
        f"usdt:/bin/sh:a:b {{ @a = 1; }} {ENTER} {{ @b = 1; }} uprobe:libc:getp* {{ @c = 1; }}\n"
        "tracepoint:sched:sched_* { @d = 1; }"
    )
    run = run_command("measure", f"--program={path}", "--time=0.05", "--json", "--wait")
    reasons = [each["reason"] or each["status"] for each in json.loads(run.stdout)["cases"]]
    for words in (
        "usdt:/bin/sh:a:b: no workload passes a USDT probe of another file: write it as uprobe",
        "libc.so:getp* names several functions",
        "tracepoint/sched/sched_* names several places",
        "measured",
    ):
        assert len([each for each in reasons if words in each]) == 1, reasons


def made(text: str):
    return of_script(text, ObjectSettings(tuple(each.name for each in probes_of(text))), "a.bt")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("BEGIN { }\nBEGIN { @ = ; }", r"^a\.bt:2:\d+-\d+: bpftrace: syntax error"),
        (f"{ENTER} {{ @ = nonsense; }}", r"^a\.bt:1:\d+-\d+: bpftrace: .*nonsense"),
        ("\ntracepoint:no:such { }", r"^a\.bt:2: bpftrace: tracepoint not found: no:such"),
        ("uprobe:libc:no_such_function { }", "No probes to attach"),
    ],
)
def test_what_bpftrace_refuses_is_one_line(text, why):
    with pytest.raises(OverheadError, match=why) as caught:
        made(text)
    assert "\n" not in str(caught.value)


def test_programs_of_one_place_are_in_the_order_of_the_script():
    found = made(SCRIPT)
    assert {name: [each.name for each in f.maps] for name, f in found.functions.items()} == {
        ENTER: ["@start"],
        EXIT: ["@start", "@start", "@ns", "@ns"],
        f"{ENTER}#2": ["@known", "@seen", "@seen"],
    }


def test_a_probe_that_is_not_here_leaves_the_others():
    text = f"tracepoint:no:such,\n{ENTER} {{ @a = 1; }}\ntracepoint:no:other {{ }}"
    found = made(text)
    assert [*found.functions] == [ENTER]
    assert [reference.name for reference in found.functions[ENTER].maps] == ["@a"]
    assert str(found.failures["tracepoint:no:other"]).startswith("a.bt:3: bpftrace: ")


def test_functions_of_a_file_are_known_by_their_places():
    """bpftrace attaches them in another order than the script has them."""
    text = (
        "uprobe:libc:no_such_function { @a = 1; } uprobe:libc:free { @b = 1; }"
        " uprobe:libc:malloc { @c = 1; } uretprobe:libc:malloc { @d = 1; }"
        " uprobe:libc:free { @e = 1; }"
    )
    found = made(text)
    assert {name: each.maps[0].name for name, each in found.functions.items()} == {
        "uprobe:libc:free": "@b",
        "uprobe:libc:malloc": "@c",
        "uretprobe:libc:malloc": "@d",
        "uprobe:libc:free#2": "@e",
    }
    assert "bpftrace finds no such place" in str(found.failures["uprobe:libc:no_such_function"])


def test_a_script_is_given_its_parameters():
    text = 'tracepoint:raw_syscalls:sys_enter /$1 == 5 && str($2) == "abc"/ { @[1] = count(); }'
    codes = set()
    for parameters in (["5", "abc"], ["6", "abc"]):
        run = run_script(text.encode(), parameters)
        codes.add(run.programs[0].function.code)
        for fd in run.map_fds.values():
            os.close(fd)
    assert len(codes) == 2


def test_bpftrace_attaches_nothing_and_leaves_nothing():
    """It makes system calls itself after it would have attached this."""
    before, children = open_descriptors(), _children()
    run = run_script(b"tracepoint:raw_syscalls:sys_enter { @[1] = count(); }")
    assert [each.point.kind for each in run.programs] == ["tracepoint"]
    fd = run.map_fds["@"]
    assert map_entries.keys(fd, maps.dimensions(fd)) == b""
    os.close(fd)
    assert (open_descriptors(), _children()) == (before, children)


def _children() -> list[str]:
    return [each.read_text() for each in Path("/proc/self/task").glob("*/children")]


INTERRUPTED = """
import sys, time
from ebpf_overhead.cli import main
from ebpf_overhead.programs import bpftrace_run
def handle(self, call):
    print(call.thread, file=sys.stderr, flush=True)
    time.sleep(60)
bpftrace_run.ScriptCalls.handle = handle
main(prog_name="ebpf-overhead")
"""


def test_ctrl_c_ends_bpftrace(tmp_path):
    path = tmp_path / "script.bt"
    path.write_text(SCRIPT)
    process = start_python(INTERRUPTED, "measure", f"--program={path}", "--wait")
    assert process.stderr is not None
    bpftrace = int(process.stderr.readline())
    assert Path(f"/proc/{bpftrace}/comm").read_text() == "bpftrace\n"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "ebpf-overhead: interrupted; nothing is left attached"
    assert not Path(f"/proc/{bpftrace}").exists()


def test_bpftrace_may_not_do_much(monkeypatch):
    """A shell in its place says what it may, and tries more."""
    monkeypatch.setattr(bpftrace_run, "bpftrace_path", lambda: Path("/bin/sh").resolve())
    monkeypatch.setenv("BPFTRACE_STRLEN", "32")
    monkeypatch.setenv("SECRET", "secret")
    place = Path(__file__).with_name("written")
    own = Path("/tmp", f"written-by-{os.getpid()}")
    run = run_script(
        b"grep -E 'Cap(Eff|Bnd)|NoNewPrivs' /proc/$$/status; ls /proc/$$/fd; env;"
        b"ls -d /sys/kernel/tracing/events; mount -t tmpfs none /mnt;"
        b"echo mine > %b && cat %b; echo > %b" % (bytes(own), bytes(own), bytes(place))
    )
    assert run.ended
    kept = sum(1 << number for number in (12, 14, 24, 34, 38, 39))
    words = run.said.split()
    assert words[words.index("CapBnd:") + 1] == words[words.index("CapEff:") + 1]
    assert int(words[words.index("CapEff:") + 1], 16) & ~kept == 0
    assert words[words.index("NoNewPrivs:") + 1] == "1"
    assert "BPFTRACE_STRLEN=32" in words
    assert "secret" not in run.said
    assert "/sys/kernel/tracing/events" in words
    assert "Read-only file system" in run.said
    assert "mine" in words
    assert not place.exists()
    assert not own.exists(), "its /tmp is its own"
