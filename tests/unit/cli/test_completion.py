"""The shell completes every value, and what cannot be looked up completes nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.shell_completion import ShellComplete
from processes import COMMAND, environment

from ebpf_overhead import cli
from ebpf_overhead.cli import names
from ebpf_overhead.errors import FailedError
from ebpf_overhead.kernels import catalogue


def completed(*words: str) -> list[str]:
    """What the last word may become."""
    complete = ShellComplete(cli.main, {}, "ebpf-overhead", "_EBPF_OVERHEAD_COMPLETE")
    return [item.value for item in complete.get_completions(list(words[:-1]), words[-1])]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("mea",), ["measure"]),
        (("study", "map"), ["map-state"]),
        (("study", "bpf"), ["bpf-stats"]),
        (
            ("measure", "--attach", "tracepoint_"),
            ["tracepoint_exit", "tracepoint_switch", "tracepoint_wakeup"],
        ),
        (("measure", "--attach", "stand"), ["standard"]),
        (("measure", "--program", "complex"), ["complex"]),
        (("measure", "--workload", "send"), ["sendto"]),
        (("measure", "--target", "send"), ["sendto"]),
        (("measure", "--format", "go"), ["gobench"]),
        (("study", "map-state", "--state", "lru_ev"), ["lru_evict"]),
        (("estimate", "--attach", "fex"), ["fexit", "fexit_multi"]),
        (("funclatency", "--via", "fent"), ["fentry/fexit"]),
        (("plot", "map"), ["map-state"]),
        (("estimate", "sysc"), ["syscall:"]),
    ],
)
def test_values(words, found, monkeypatch):
    monkeypatch.setattr(names, "attach_points", lambda: ["syscall:", "kprobe:"])
    monkeypatch.setattr(names.POINT, "_names", names.attach_points)
    assert completed(*words) == found


def test_file_of_a_program():
    complete = ShellComplete(cli.main, {}, "ebpf-overhead", "_EBPF_OVERHEAD_COMPLETE")
    (item,) = complete.get_completions(["measure", "--program"], "mine")
    assert (item.type, item.value) == ("file", "mine")


class Kernel:
    release = "6.12.107+deb13-amd64"


@pytest.mark.parametrize(
    "words",
    [
        ("measure", "--kernel"),
        ("study", "map-state", "--kernel"),
        ("guest", "run"),
        ("kernels", "remove"),
        ("kernels", "verify"),
        ("kernels", "measure"),
    ],
)
def test_kernels_that_are_here(words, monkeypatch):
    monkeypatch.setattr(catalogue, "installed", lambda *_: [Kernel()])
    assert completed(*words, "6.") == ["6.12", Kernel.release]


def test_what_cannot_be_looked_up_completes_nothing(monkeypatch):
    def fail(*_: object) -> None:
        raise FailedError("the catalogue is damaged")

    monkeypatch.setattr(catalogue, "installed", fail)
    assert completed("measure", "--kernel", "6.") == []


def test_attach_points_of_this_kernel():
    points = names.attach_points()
    assert points[0] == "syscall:"
    assert len(points) > 100


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shells_script_names_the_command(shell):
    run = subprocess.run(
        [*COMMAND],
        env=environment(_EBPF_OVERHEAD_COMPLETE=f"{shell}_source"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    assert f"_EBPF_OVERHEAD_COMPLETE={shell}_complete" in run.stdout


def test_completion_in_a_shell():
    run = subprocess.run(
        [sys.executable, "-c", COMMAND[2]],
        env=environment(
            _EBPF_OVERHEAD_COMPLETE="bash_complete",
            COMP_WORDS="ebpf-overhead measure --attach fm",
            COMP_CWORD="3",
        ),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.stdout.splitlines() == ["plain,fmod_ret"]
