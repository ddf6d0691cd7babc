"""Programs that silently do less than they were written to do, on each kernel."""

from __future__ import annotations

import json
import re

import jsonschema
import pytest
from processes import run_command
from silent_sources import (
    EXISTING_KEY,
    FAULT,
    FILTER,
    FULL_FROM_THE_FIRST,
    LRU,
    NO_LONGER,
    PERF,
    SEEN,
    SELDOM,
    SMALL_RING,
    TAIL_CALL,
    TWO_MAPS,
)

from ebpf_overhead.studies.registry import schema

SIGNAL = "int program(void *ctx)\n{\n    return bpf_send_signal(15);\n}\n"
OVERRIDE = """\
int program(struct pt_regs *ctx)
{
    bpf_override_return(ctx, -1);
    return 0;
}
"""

FAILED = {
    "seen": (SEEN, r"lost updates: map seen full with 64 entries \(E2BIG in all of [\d,]+ calls"),
    "two": (TWO_MAPS, r"lost updates: map begun full with 16 entries \(E2BIG in all of"),
    "lru": (LRU, r"lost entries: map last, of 512 entries, dropped [\d,]+ of them"),
    "exists": (EXISTING_KEY, r"failed to do its work \d+ times \(lost_updates\): .*: EEXIST"),
    "jump": (TAIL_CALL, r"made tail calls of map jumps that lead nowhere, in all of"),
    "ring": (
        SMALL_RING,
        r"bpf_ringbuf_output of map events failed in [\d,]+ of [\d,]+ calls: EAGAIN",
    ),
    "override": (OVERRIDE, r"calls bpf_override_return: the call that is measured would return"),
    "signal": (SIGNAL, r"calls bpf_send_signal: the signal would go to whoever makes the call"),
}
SAID = {
    "filter": (FILTER, [r"found no key of map wanted", r"the program returned early in 100 %"]),
    "seldom": (SELDOM, [r"the program returned early in at least [89][\d.]* % of [\d,]+ runs"]),
    "no_longer": (NO_LONGER, [r"map counts was changed in none of [\d,]+ runs"]),
    "fault": (FAULT, [r"bpf_probe_read_user failed in all of [\d,]+ calls: EFAULT"]),
    "one": (FULL_FROM_THE_FIRST, []),
    "perf": (PERF, []),
}


@pytest.fixture(scope="module", params=["oldest", "newest"])
def cases(request, kernels, tmp_path_factory):
    """The cases of one run, by program and attach type."""
    kernel = kernels[0 if request.param == "oldest" else -1]
    folder = tmp_path_factory.mktemp("sources")
    arguments = []
    for name, (source, _) in {**FAILED, **SAID}.items():
        (folder / f"{name}.c").write_text(source)
        arguments.append(f"--program={folder}/{name}.c")
    arguments += ["--program=perf_event_array", "--attach=fentry", "--attach=kprobe"]
    run = run_command(
        "measure", f"--kernel={kernel.release}", *arguments, "--format=json", timeout=400
    )
    assert run.returncode == 1, run.stderr
    record = json.loads(run.stdout)
    jsonschema.validate(record, schema())
    return {(case["program"], case["attach"]): case for case in record["cases"]}


@pytest.mark.parametrize("attach", ["fentry", "kprobe"])
@pytest.mark.parametrize("name", FAILED)
def test_program_that_did_not_do_its_work_fails_and_says_why(cases, name, attach):
    case = cases[f"{name}.c", attach]
    assert case["status"] == "failed", case
    assert re.search(FAILED[name][1], case["reason"]), case["reason"]


@pytest.mark.parametrize("attach", ["fentry", "kprobe"])
@pytest.mark.parametrize("name", SAID)
def test_what_was_in_vain_is_said(cases, name, attach):
    case = cases[f"{name}.c", attach]
    assert case["status"] == "measured", case["reason"]
    found = [each["what"] for each in case.get("findings", ())]
    assert len(found) == len(SAID[name][1]), found
    for what, words in zip(found, SAID[name][1], strict=True):
        assert re.match(words, what), what


@pytest.mark.parametrize("attach", ["fentry", "kprobe"])
def test_perf_buffer_of_any_name_costs_what_one_with_a_reader_costs(cases, attach):
    """Without a reader the helper returns at once: less than a quarter of it."""
    own, shipped = cases["perf.c", attach], cases["perf_event_array", attach]
    assert own["records_received"] >= own["calls"]
    assert own["overhead"]["estimate"] == pytest.approx(shipped["overhead"]["estimate"], rel=0.02)


def test_program_that_refuses_calls_is_kept_from_it(kernels, tmp_path):
    """Not kept from it, it refuses the files that the process that measures opens."""
    source = tmp_path / "refusing.c"
    source.write_text("int program(void *ctx)\n{\n    return -1;\n}\n")
    hooks = ("--attach=lsm", "--attach=lsm_open", "--attach=fmod_ret")
    run = run_command(
        *("measure", f"--kernel={kernels[-1].release}", f"--program={source}", *hooks),
        "--format=json",
        timeout=400,
    )
    assert run.returncode == 0, run.stderr
    for case in json.loads(run.stdout)["cases"]:
        assert case["status"] == "measured", case["reason"]
        (found,) = case["findings"]
        assert found["what"].endswith("other than 0, which refuses the call: measured with 0")
