"""``scripts/bench``: where it measures, and what it says, with stand-ins for what it calls."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from processes import ROOT

# Each writes down how it was called; what it answers is in files beside it.
STAND_IN = """#!/bin/sh
here=$(dirname "$0")
name=$(basename "$0")
echo "$name $*${EBPF_OVERHEAD_KERNEL:+ KERNEL=$EBPF_OVERHEAD_KERNEL}" >> "$here/calls"
if [ -e "$here/$name-$1" ]; then
    . "$here/$name-$1"
fi
"""


class Bench:
    """The script in a tree of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "bin"
        self.script = folder / "scripts/bench"
        self.script.parent.mkdir()
        self.folder.mkdir()
        for name in ("bench", "writable"):
            shutil.copy(ROOT / "scripts" / name, self.script.parent)
        for path in (self.folder / "asv", self.folder / "ebpf-overhead"):
            self._executable(path, STAND_IN)
        set_up = f'#!/bin/sh\necho "setup $*" >> {self.folder}/calls\n'
        self._executable(folder / "scripts/setup", set_up)

    def _executable(self, path, text):
        path.write_text(text)
        path.chmod(0o755)

    def answer(self, program, command, text):
        (self.folder / f"{program}-{command}").write_text(text)

    def run(self, kernel, status=0):
        done = subprocess.run(
            [self.script, kernel, "HEAD", "getpid"],
            env={"PATH": "/usr/bin:/bin", "BIN": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stderr
        return done

    @property
    def calls(self):
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


TIMED = [
    "asv machine --yes",
    r"asv run --record-samples --bench ^(getpid)\.(?!Instructions\.) HEAD^!",
    "ebpf-overhead report --kernel running",
]
REFERENCE = "ebpf-overhead report --kernel running --reference"
REFUSAL = "echo 'ebpf-overhead: BPF is off: EPERM; use another kernel' >&2; exit 3"


def counted(kernel):
    return [
        f"asv machine --yes KERNEL={kernel}",
        rf"asv run --record-samples --bench ^(getpid)\.Instructions\. HEAD^! KERNEL={kernel}",
        f"ebpf-overhead report --kernel {kernel} KERNEL={kernel}",
    ]


def test_running_kernel_is_timed_where_it_can_be(bench):
    bench.run("running")
    assert bench.calls == ["ebpf-overhead doctor --quiet", *TIMED]
    bench.run("auto")
    assert bench.calls[-5:] == ["ebpf-overhead doctor --quiet", *TIMED, REFERENCE]


def test_rows_that_the_running_kernel_lacks_are_counted_in_a_guest_besides(bench):
    bench.answer("ebpf-overhead", "report", "echo ' kprobe  n/a'")
    bench.answer("ebpf-overhead", "kernels", "echo 6.12.9-amd64")
    done = bench.run("auto")
    assert "in a guest on 6.12.9-amd64, in instructions:\n" in done.stdout
    assert bench.calls == [
        "ebpf-overhead doctor --quiet",
        *TIMED,
        REFERENCE,
        "setup guest",
        "ebpf-overhead kernels add --quiet stable",
        r"asv run --record-samples --bench ^getpid\.Instructions\. HEAD^! KERNEL=6.12.9-amd64",
        "ebpf-overhead report --kernel 6.12.9-amd64 --reference KERNEL=6.12.9-amd64",
    ]


def test_without_a_guest_the_rows_that_are_there_are_the_result(bench):
    bench.answer("ebpf-overhead", "report", "echo ' kprobe  n/a'")
    bench.answer("ebpf-overhead", "kernels", "exit 2")
    done = bench.run("auto")
    assert "no guest can be asked for them" in done.stderr
    assert not [call for call in bench.calls if call.startswith("asv run") and "KERNEL" in call]


def test_where_it_cannot_a_guest_counts_and_says_why(bench):
    bench.answer("ebpf-overhead", "doctor", REFUSAL)
    bench.answer("ebpf-overhead", "kernels", "echo 6.12.9-amd64")
    done = bench.run("auto")
    assert "cannot be measured: BPF is off: EPERM; use another kernel\n" in done.stdout
    assert "Debian's newest stable kernel instead, in instructions" in done.stdout
    assert bench.calls == [
        "ebpf-overhead doctor --quiet",
        "setup guest",
        "ebpf-overhead kernels add --quiet stable",
        *counted("6.12.9-amd64"),
    ]


def test_kernel_that_is_named_is_measured_in_a_guest(bench):
    bench.run("6.1")
    assert bench.calls == ["setup guest", *counted("6.1")]


def test_running_kernel_asked_for_by_name_is_not_replaced(bench):
    bench.answer("ebpf-overhead", "doctor", REFUSAL)
    done = bench.run("running", status=3)
    assert "BPF is off" in done.stderr
    assert bench.calls == ["ebpf-overhead doctor --quiet"]


def test_without_a_kernel_to_fetch_it_says_how_to_name_one(bench):
    bench.answer("ebpf-overhead", "doctor", REFUSAL)
    bench.answer("ebpf-overhead", "kernels", "echo 'no mirror' >&2; exit 2")
    done = bench.run("auto", status=2)
    assert done.stderr.splitlines()[-1].endswith("make bench KERNEL=...")
    assert not [call for call in bench.calls if call.startswith("asv")]


def test_what_asv_says_is_the_end_of_it(bench):
    bench.answer("asv", "run", "exit 2")
    bench.run("running", status=2)
    assert bench.calls[-1].startswith("asv run")
