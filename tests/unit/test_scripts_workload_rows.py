"""``scripts/workload-rows``: a row per workload and hook, and run counts that add up."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from processes import ROOT


def row(attach="tp_btf", hits=4000, **more):
    overhead = {"estimate": 272.2, "low": 262.0, "high": 282.0}
    measured = {"status": "measured", "calls": 2000, "hits_slack": 0, "runs_per_call": 2}
    return {"target": "openat_close", "attach": attach, "hits": hits, "overhead": overhead} | {
        **measured,
        **more,
    }


@pytest.fixture
def run(tmp_path):
    def printed(*records):
        paths = [tmp_path / f"{number}.json" for number in range(len(records))]
        for path, cases in zip(paths, records, strict=True):
            machine = {"kernel": {"release": "6.12"}}
            path.write_text(json.dumps({"machine": machine, "guest": {}, "cases": cases}))
        words = [sys.executable, str(ROOT / "scripts" / "workload-rows"), *map(str, paths)]
        return subprocess.run(words, capture_output=True, text=True)

    return printed


def test_a_column_per_record_and_a_row_per_hook(run):
    found = run([row(), row("lsm_open", status="unsupported")], [row()])
    assert found.returncode == 0, found.stderr
    cell = "+272 ± 10 (2 \N{MULTIPLICATION SIGN} 2,000)"
    assert found.stdout.splitlines() == [
        "| workload | attach type | native, 6.12 | native, 6.12 |",
        "| --- | --- | --: | --: |",
        f"| `openat_close` | `tp_btf` | {cell} | {cell} |",
        "| `openat_close` | `lsm_open` | unsupported |  |",
    ]


@pytest.mark.parametrize(("hits", "slack", "status"), [(3998, 0, 1), (3998, 2, 0)])
def test_a_count_that_does_not_add_up_is_an_error(run, hits, slack, status):
    found = run([row(hits=hits, hits_slack=slack)])
    assert found.returncode == status
    assert ("openat_close/tp_btf: 3998 runs for 2000 calls" in found.stderr) == bool(status)


def test_no_record_is_bad_use(run):
    assert run().returncode == 2
