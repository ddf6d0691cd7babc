"""Two files with one name in one command, each with what is known of it, in two processes."""

from __future__ import annotations

import json

import jsonschema
import pytest
from processes import run_command

from ebpf_overhead.studies.registry import schema

ENTRIES, UPDATES = 4096, 64
OLD = f"""\
BPF_HASH(counts, u32, u64, {ENTRIES});
int program(void *ctx)
{{
    u32 key = bpf_get_current_pid_tgid();
    u64 one = 1;
    #pragma unroll
    for (int i = 0; i < {UPDATES}; i++)
        counts.update(&key, &one);
    return 0;
}}
"""
NEW = "int program(void *ctx)\n{\n    return 0;\n}\n"


@pytest.fixture(scope="module")
def record(tmp_path_factory, some_attach_type):
    folder = tmp_path_factory.mktemp("versions")
    for name, source in (("old", OLD), ("new", NEW)):
        (folder / name).mkdir()
        (folder / name / "mine.c").write_text(source)
    files = [f"--program={folder / name / 'mine.c'}" for name in ("old", "new")]
    options = [f"--attach={some_attach_type}", "--processes=2", "--time=0.2", "--json"]
    run = run_command("measure", *files, *options)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    found = json.loads(run.stdout)
    jsonschema.validate(found, schema())
    return found


def test_both_are_rows_and_their_difference_is_paired(record):
    assert [case["program"] for case in record["cases"]] == ["old/mine.c", "new/mine.c"]
    (found,) = record["differences"]
    assert (found["first"]["program"], found["second"]["program"]) == ("new/mine.c", "old/mine.c")
    assert found["paired"] is True
    old, new = (case["overhead"]["estimate"] for case in record["cases"])
    assert found["difference"]["estimate"] == pytest.approx(new - old)


def test_each_process_loaded_and_proved_them(record):
    assert record["processes"] == 2
    for case in record["cases"]:
        assert case["calls"] >= 4000
        assert abs(case["hits"] - case["calls"]) <= case["hits_slack"]
        assert len(case["by_process"]) == 2
        assert case["windows"] == len(case["samples"]["probed"]) == len(case["samples"]["baseline"])


def test_what_is_known_before_they_run(record):
    old, new = (case["static"] for case in record["cases"])
    assert (new["instructions"], new["translated_instructions"]) == (2, 2)
    assert (new["verified_instructions"], new["stack_bytes"], new["map_bytes"]) == (2, [0], {})
    # Each call of a helper is an instruction, and takes a map and two addresses.
    assert old["instructions"] >= 4 * UPDATES
    assert old["translated_instructions"] >= old["verified_instructions"] >= 4 * UPDATES
    assert old["stack_bytes"] == [16]
    assert old["map_bytes"]["counts"] >= ENTRIES * (4 + 8)
    if None not in (old["jited_bytes"], new["jited_bytes"]):
        assert old["jited_bytes"] > 4 * UPDATES > new["jited_bytes"] > 0
