"""Where the caches, the data and the temporary files are on a full or a read-only disk."""

from __future__ import annotations

import json
import subprocess

import gate
import pytest
from processes import COMMAND, environment

FULL = (
    "mount -t tmpfs -o mode=700,size=64k none {0}; cat /dev/zero > {0}/filler 2>/dev/null || true"
)
READ_ONLY = "mount -t tmpfs -o mode=700,ro none {0}"
VARIABLES = ("XDG_CACHE_HOME", "EBPF_OVERHEAD_DATA", "TMPDIR")


@pytest.fixture(params=[FULL, READ_ONLY], ids=["full", "read-only"])
def run_there(request, tmp_path):
    """Run a command whose places are on that disk, which nobody else sees."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        script = f'{request.param.format(disk)}; shift; exec "$@"'
        return subprocess.run(
            ["unshare", "--mount", "sh", "-ec", script, "sh", str(disk), *COMMAND, *arguments],
            env=environment(**dict.fromkeys(VARIABLES, str(disk))),
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def test_what_needs_no_disk_is_measured(run_there, support):
    if support["tp_btf"].status != "available":
        gate.cannot_run("this kernel has no tp_btf")
    run = run_there("measure", "--attach=tp_btf", "--program=empty", "--time=0.05", "--json")
    assert run.returncode == 0, run.stderr
    (case,) = json.loads(run.stdout)["cases"]
    assert case["status"] == "measured"


@pytest.mark.parametrize(
    "words",
    [
        ("kernels", "add", "6.12"),
        ("guest", "run", "6.12", "--", "true"),
    ],
    ids=lambda words: words[0],
)
def test_what_needs_the_disk_says_so(run_there, words):
    run = run_there(*words)
    assert run.returncode in (2, 4), run.stderr
    line = run.stderr.splitlines()[-1]
    assert line.startswith("ebpf-overhead: ")
    assert "Traceback" not in run.stderr
