"""Programs of the user's own, through the command: what works, and every way to go wrong."""

from __future__ import annotations

import json
import re

import jsonschema
import pytest
from processes import run_command

from ebpf_overhead.hooks import probe as attach
from ebpf_overhead.hooks.cases import Case, Program, select
from ebpf_overhead.measure.result import Sampling
from ebpf_overhead.measure.run import measure_case
from ebpf_overhead.studies.registry import schema
from ebpf_overhead.workload import _workload
from ebpf_overhead.workload.workloads import Workload

COUNTS = """\
#include "mine.h"
BPF_HASH(counts, u64, u64, ENTRIES);
%s
int program(void *ctx)
{
    u64 key = KEY, one = 1;
    if (counts.update(&key, &one))
        %s;
    return 0;
}
"""
CAREFUL = COUNTS % ("BPF_ARRAY(lost_updates, u64, 1);", "lost_updates.atomic_increment(0)")
CARELESS = COUNTS % ("", "return 0")
BY_PROCESS = "#define ENTRIES 4096\n#define KEY (bpf_get_current_pid_tgid() >> 32)\n"
BY_TIME = "#define ENTRIES 64\n#define KEY bpf_ktime_get_ns()\n"

SYNTAX_ERROR = "int program(void *ctx)\n{\n    return 0\n}\n"
REJECTED = """\
BPF_HASH(cells, u32, u64, 1);
int program(void *ctx)
{
    u32 zero = 0;
    u64 *cell = cells.lookup(&zero);
    return *cell;
}
"""
NOT_ALLOWED = "int program(void *ctx)\n{\n    return bpf_sk_release(ctx);\n}\n"


@pytest.fixture
def measured(tmp_path, attach_type):
    """Measure a source with the command; return its only case, and what it showed besides."""

    def measure(source: str, header: str = "", *options: str):
        (tmp_path / "mine.c").write_text(source)
        (tmp_path / "mine.h").write_text(header)
        arguments = ("--attach", attach_type, "--time", "0.05", "--format", "json", *options)
        run = run_command("measure", "--program", str(tmp_path / "mine.c"), *arguments)
        record = json.loads(run.stdout)
        jsonschema.validate(record, schema())
        (case,) = record["cases"]
        assert case["program"] == "mine.c"
        if case["status"] != "measured":
            assert "\n" not in case["reason"]
        assert run.returncode == {"measured": 0, "failed": 1, "unsupported": 3}[case["status"]]
        return case, run.stderr

    return measure


def test_program_with_a_map_and_a_header(measured):
    case, shown = measured(CAREFUL, BY_PROCESS)
    assert case["status"] == "measured", case["reason"]
    assert abs(case["hits"] - case["calls"]) <= case["hits_slack"]
    assert case["calls"] >= 2000
    assert (case["lost_updates"], case["map_max_entries"]) == (0, 4096)
    assert 0 < case["map_entries"] < 4096
    assert shown == ""


LARGE_STACK = """\
int program(void *c)
{
    volatile u64 a[80];
    for (int i = 0; i < 80; i++)
        a[i] = i;
    return a[3];
}
"""


def test_compiler_that_ends_costs_one_row(tmp_path, some_attach_type):
    (tmp_path / "large.c").write_text(LARGE_STACK)
    run = run_command(
        *("measure", "--program", str(tmp_path / "large.c"), "--program", "simple"),
        *("--attach", some_attach_type, "--time", "0.05", "--json"),
    )
    cases = {case["program"]: case for case in json.loads(run.stdout)["cases"]}
    assert cases["simple"]["status"] == "measured"
    assert len(cases["simple"]["program_tag"]) == 16
    assert cases["large.c"]["status"] == "failed"
    assert "large.c needs more than 512 bytes of stack" in cases["large.c"]["reason"]
    assert run.returncode == 1


def test_syntax_error_has_file_and_line(measured, tmp_path):
    case, shown = measured(SYNTAX_ERROR)
    assert case["status"] == "failed"
    assert case["reason"].startswith(f"mine.c does not compile: {tmp_path}/mine.c:3:13: error: ")
    assert shown == ""


def test_rejected_program_has_the_verifiers_words(measured):
    case, shown = measured(REJECTED)
    assert case["status"] == "failed"
    assert re.match(r"verifier rejects mine.c: R\d invalid mem access ", case["reason"])
    assert case["remedy"] == "correct its source; --verifier-log shows all"
    assert shown == ""


def test_helper_that_is_not_allowed_is_unsupported(measured):
    case, _ = measured(NOT_ALLOWED)
    assert case["status"] == "unsupported", case["reason"]
    assert "by the verifier: " in case["reason"]
    assert "sk_release" in case["reason"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (CAREFUL, r"mine.c lost \d+ updates: map counts full with 64 entries \(E2BIG in"),
        (CARELESS, r"mine.c lost updates: map counts full with 64 entries \(E2BIG in"),
    ],
)
def test_map_that_overflows(measured, source, words):
    case, _ = measured(source, BY_TIME)
    assert case["status"] == "failed"
    assert re.search(words, case["reason"])
    assert "give the map more entries" in case["remedy"]


@pytest.mark.parametrize("source", [CAREFUL, REJECTED])
def test_verifier_log_on_request(measured, attach_type, source):
    case, shown = measured(source, BY_PROCESS, "--verifier-log")
    assert shown.startswith(f"--- verifier log of getpid/{attach_type}/mine.c ---\n")
    assert "call bpf_map_" in case["verifier_log"]
    assert "processed " in case["verifier_log"]
    assert case["verifier_log"] in shown


def test_program_that_never_fires(tmp_path, support):
    """Attached to another system call than the one that is called."""
    if support["tracepoint"].status != "available":
        pytest.skip("needs a hook of one system call only")
    source = tmp_path / "mine.c"
    source.write_text("int program(void *ctx)\n{\n    return 0;\n}\n")
    (usual,) = select(["tracepoint"], ["empty"])
    case = Case(
        Workload("getpid", syscall="getppid"), usual.attach, Program("mine.c", "", "", source)
    )
    result = measure_case(case, Sampling(time_s=0.05))
    assert result.status == "failed"
    assert result.reason == "getpid/tracepoint/mine.c never fired: 0 hits for 1000 calls"
    with attach.load(case) as probe:  # and it does fire where it is attached
        probe.attach()
        _workload.run("getppid", 1)
        assert probe.hook == "syscalls:sys_enter_getppid"
