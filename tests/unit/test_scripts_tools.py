"""``scripts/tools``: what it makes of a tool, and the page that it writes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import script_modules
from processes import ROOT

BCC = """\
class BPF:
    _prefixes = [b"sys_", b"__x64_sys_"]

    def get_syscall_fnname(self, name):
        found = (each for each in self._prefixes if self.ksymname(each + b"bpf") != -1)
        return next(found) + name
"""
TOOL = """\
from time import sleep
from bcc import BPF
if BPF.get_kprobe_functions(b"nobody_has_this"):
    raise SystemExit(1)
if "vfs_writable" not in open("/proc/kallsyms").read():
    raise SystemExit(2)
BPF(text="int before(void *ctx) { return 0; }")
b = BPF(text="int hit(void *ctx) { return 0; }", cflags=["-DMOST=5", "-Wall", "-DONCE"])
b.attach_kprobe(event=b.get_syscall_fnname(b"openat"), fn_name="hit")
b.attach_kretprobe(event="vfs_read", fn_name=b"hit")
b.attach_kprobe(event_re="vfs_wr.*", fn_name="hit")
if BPF.tracepoint_exists("sched", "sched_switch"):
    b.attach_tracepoint(tp="sched:sched_switch", fn_name="hit")
b["counts"].clear()
while True:
    sleep(1)
"""
KALLSYMS = """\
ffffffff81000000 T vfs_read
ffffffff81000010 T vfs_write
ffffffff81000020 T __x64_sys_bpf
ffffffff82000000 D vfs_writable
"""


@pytest.fixture(scope="module")
def tools() -> ModuleType:
    return script_modules.load("tools")


def test_what_a_tool_would_attach_is_written_down(tmp_path):
    kernel = tmp_path / "kernel"
    kernel.mkdir()
    (kernel / "kallsyms").write_text(KALLSYMS)
    (kernel / "events").write_text("sched:sched_switch\n")
    (kernel / "btf").touch()
    (tmp_path / "bcc.py").write_text(BCC)
    (tmp_path / "tool").write_text(TOOL)
    output = tmp_path / "output"
    subprocess.run(
        [sys.executable, ROOT / "scripts/bcc_record.py", kernel, output, tmp_path / "tool"],
        env={"PYTHONPATH": str(tmp_path)},
        timeout=60,
        check=True,
    )
    assert json.loads(output.read_text()) == {
        "text": "int hit(void *ctx) { return 0; }",
        "flags": ["-DMOST=5", "-Wall", "-DONCE"],
        "attached": [
            ["kprobe/__x64_sys_openat", "hit"],
            ["kretprobe/vfs_read", "hit"],
            ["kprobe/vfs_write", "hit"],
            ["tracepoint/sched/sched_switch", "hit"],
        ],
    }


def test_options_for_the_compiler_become_source(tools):
    flags = ["-DMOST=5", "-Wall", "-DONCE"]
    assert list(tools.defines(flags)) == ["#define MOST 5\n", "#define ONCE 1\n"]


def test_a_tool_of_several_programs_is_measured_as_a_group(tools, tmp_path, monkeypatch):
    found = {"text": "int kprobe__f(void *c) { return 0; }", "flags": [], "attached": []}
    found["attached"] = [["kprobe/g", "hit"], ["kprobe/h", "hit"]]

    def run(command, **_):
        Path(command[3]).write_text(json.dumps(found))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(tools.subprocess, "run", run)
    monkeypatch.setattr(tools, "known", lambda kernel, work: work)
    (tmp_path / "tool").write_text("#!/usr/bin/python3\n")
    row = tools.Row("tool", "bpfcc-tools")
    tool = tools.prepared(tmp_path / "tool", row, "6.12", tmp_path)
    assert [case.program.section for case in tool.alone] == ["kprobe/f", "kprobe/g", "kprobe/h"]
    assert [len(case.co_attached.cases) for case in tool.group] == [2]
    assert row.programs == 3
    assert tools.shown(row.command, tmp_path)[:5] == [
        *("measure", "--program", "tool.c", "--only", "kprobe__f")
    ]
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    with pytest.raises(tools.NotMeasuredError, match="a shell script around another tool"):
        tools.prepared(tmp_path / "tool", row, "6.12", tmp_path)


CASE = {
    "status": "measured",
    "target": "read",
    "program": "tool",
    "hits": 400,
    "calls": 200,
    "baseline": {"median": 629.0},
    "overhead": {"estimate": 120.0, "low": 118.0, "high": 122.0},
    "beside": {"programs": {"kprobe": 1}, "together": True},
}
MADE = {
    "command": "scripts/tools",
    "date": "2026-11-30",
    "kernel": "6.12",
    "guest": {"qemu_version": "7.2", "accel": "tcg", "clock": "icount", "cpu_model": "max"},
    "packages": {"libbpf-tools": "0.26"},
}


def test_the_tables(tools):
    done, other = tools.Row("a", "libbpf-tools"), tools.Row("b", "bpfcc-tools")
    done.programs = 3
    tools.read_cases(done, [CASE, {"status": "unsupported", "reason": "no", "remedy": None}])
    refused = {"status": "failed", "reason": "no function a_b", "remedy": "choose"}
    tools.read_cases(other, [refused, refused])
    text = tools.tables([done, other], MADE)
    assert "1 of 2 are measured, 0 of them too small to tell from 0; 0 were not tried." in text
    assert "| `a` | `read` | 2 of 3 | 629 | +120 ± 2 | +19 % |  |" in text
    assert r"| `b` | failed: no function a\_b; choose |" in text
    assert "on 2026-11-30: Linux 6.12, a guest (QEMU 7.2, TCG, icount," in text
    json.dumps([done.__dict__, other.__dict__])


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (
            "found no key of map start in all of 6,000 calls",
            "found no key of map start in all calls",
        ),
        ("returned early in 100 % of 6,000 runs: it", "returned early in all runs: it"),
        ("returned early in at least 49.8 % of 6,000 runs: it", "returned early in some runs: it"),
        ("map m was changed in none of 6,000 runs", "map m was changed in none of the runs"),
        ("bpf_x failed in 3 of 1,000 calls: EBUSY", "bpf_x failed in some calls: EBUSY"),
        ("no record came out of buffer events", "no record came out of buffer events"),
    ],
)
def test_findings_have_no_numbers_there(tools, found, text):
    assert tools.said({"what": found}) == text
