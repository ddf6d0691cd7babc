"""What profiling needs of the machine: perf, and JIT symbols, which are restored."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from processes import start_python

from ebpf_overhead.errors import FailedError, MissingToolError, RefusedError, UnsupportedError
from ebpf_overhead.tools.profile import perf_tool
from ebpf_overhead.tools.profile.jit_symbols import visible


@pytest.fixture
def sysctls(tmp_path) -> Path:
    (tmp_path / "bpf_jit_kallsyms").write_text("0\n")
    (tmp_path / "bpf_jit_harden").write_text("0\n")
    return tmp_path


def test_symbols_are_switched_on_and_restored(sysctls):
    switch = sysctls / "bpf_jit_kallsyms"
    with suppress(KeyboardInterrupt), visible(sysctls) as switched:
        assert switched is True
        assert switch.read_text() == "1"
        raise KeyboardInterrupt
    assert switch.read_text() == "0\n"


SWITCHES_ON = """
import sys
from pathlib import Path
from ebpf_overhead.tools.profile.jit_symbols import visible
with visible(Path(sys.argv[1])):
    print(flush=True)
    sys.stdin.read()
"""


def test_symbols_are_restored_when_the_process_is_killed(sysctls):
    switch = sysctls / "bpf_jit_kallsyms"
    with start_python(SWITCHES_ON, str(sysctls)) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "\n"
        assert switch.read_text() == "1"
        killed.kill()
    deadline_s = time.monotonic() + 60
    while switch.read_text() != "0\n" and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert switch.read_text() == "0\n"


def test_symbols_that_are_on_are_left_alone(sysctls):
    (sysctls / "bpf_jit_kallsyms").write_text("1\n")
    with visible(sysctls) as switched:
        assert switched is False
    assert (sysctls / "bpf_jit_kallsyms").read_text() == "1\n"


def test_kernel_without_jit_has_no_setting(tmp_path):
    with visible(tmp_path) as switched:
        assert switched is False


def test_hardening_hides_symbols(sysctls):
    (sysctls / "bpf_jit_harden").write_text("2\n")
    with (
        pytest.raises(RefusedError, match=r"bpf_jit_harden is 2; sysctl .*bpf_jit_harden=0"),
        visible(sysctls),
    ):
        pass


def test_setting_that_cannot_be_written(sysctls, monkeypatch):
    def refuse(self: Path, text: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_text", refuse)
    with (
        pytest.raises(RefusedError, match="cannot be switched on: Permission denied"),
        visible(sysctls),
    ):
        pass


def test_missing_perf_is_one_line_that_names_the_package(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingToolError, match=r"perf not found.*apt-get install linux-perf"):
        perf_tool.require()


@pytest.mark.parametrize(
    ("words", "kind", "line"),
    [
        (
            "Error:\nAccess to performance monitoring and observability operations is limited.\n"
            "Consider adjusting /proc/sys/kernel/perf_event_paranoid setting to open",
            RefusedError,
            "perf is refused: Access to performance monitoring",
        ),
        (" Error: unknown option `control'\n", UnsupportedError, "too old"),
        ("no such thread\n", FailedError, "perf record failed: no such thread"),
        ("", FailedError, "it ended without a message"),
    ],
)
def test_refusal_of_perf_is_explained(words, kind, line):
    error = perf_tool.refusal(words)
    assert type(error) is kind
    assert line in str(error)


def fake_perf(folder: Path, script: str, monkeypatch) -> perf_tool.Recording:
    """A perf that is a script of its own."""
    perf = folder / "perf"
    perf.write_text(f"#!{sys.executable} -S\nimport os, sys\n{script}")
    perf.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return perf_tool.Recording(["--tid", "1"], 1000, folder / "data")


OBEDIENT = """
control = next(word for word in sys.argv if word.startswith("fd:"))
orders, answers = map(int, control[3:].split(","))
log = open(sys.argv[0] + ".log", "w", buffering=1)
try:
    for word in os.fdopen(orders):
        log.write(word)
        os.write(answers, b"ack\\n")
except KeyboardInterrupt:
    log.write("end\\n")
"""


def test_samples_are_taken_between_two_orders(tmp_path, monkeypatch):
    log = tmp_path / "perf.log"
    recording = fake_perf(tmp_path, OBEDIENT, monkeypatch)
    with recording.running():
        with recording.sampling():
            assert log.read_text() == "enable\n"
        assert log.read_text() == "enable\ndisable\n"
    assert log.read_text() == "enable\ndisable\nend\n"


def test_perf_that_ends_at_once_is_reported_with_its_message(tmp_path, monkeypatch):
    script = "sys.exit('Error:\\nperf_event_paranoid setting is 3')\n"
    recording = fake_perf(tmp_path, script, monkeypatch)
    with (
        pytest.raises(RefusedError, match="perf is refused: perf_event_paranoid setting is 3"),
        recording.running(),
        recording.sampling(),
    ):
        pass


def test_perf_that_cannot_read_its_own_file(tmp_path, monkeypatch):
    recording = fake_perf(tmp_path, "sys.exit('zero-sized data')\n", monkeypatch)
    with pytest.raises(FailedError, match="perf script failed: zero-sized data"):
        perf_tool.script(recording.data)
