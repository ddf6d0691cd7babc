"""What the tests share, and in which order and how far side by side they run.

pyproject.toml puts this folder and those of the gated tests on the import path, so that every
test finds the modules that tests share.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

from ebpf_overhead.measure import machine_lock

# A shell's background job ignores the first, nohup the second, and so would all that the tests
# start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Tests of several processes measure side by side; those of the lock have one of their own.
os.environ[machine_lock.VARIABLE] = ""

# The longest first, so that no process waits for another at the end.
_ORDER = ("kernel", "guest", "fuzz", "unit")
_TESTS = Path(__file__).parent
# Modules outside of tests/kernel that are run with it.
_WITH_KERNEL = tuple(
    f"tests/unit/workload/test_{name}.py" for name in ("workload", "together", "watch", "workloads")
)


class Scheduling(LoadScopeScheduling):
    """What one process runs: a module, or all of the running kernel's tests.

    The latter because each of them sees what others attach, and whether the kernel's
    statistics are on; and with them those that time system calls, or read what the machine
    counts of them.
    """

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        on_kernel = module.startswith("tests/kernel/") or module in _WITH_KERNEL
        return "kernel" if on_kernel else module


def pytest_xdist_make_scheduler(config: pytest.Config, log) -> Scheduling:
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    items.sort(key=lambda item: _ORDER.index(item.path.relative_to(_TESTS).parts[0]))


@pytest.fixture(autouse=True)
def own_headers(monkeypatch):
    """Tests compile with the project's headers, whatever the user told BCC."""
    monkeypatch.delenv("BCC_KERNEL_SOURCE", raising=False)


@pytest.fixture
def own_lock(monkeypatch, tmp_path) -> str:
    """Another lock of the machine, for this test; whoever holds it may measure."""
    place = tmp_path / "lock"
    place.touch()
    monkeypatch.setenv(machine_lock.VARIABLE, str(place))
    monkeypatch.setattr(machine_lock.LockHolder, "may_measure", lambda self: True)
    return str(place)


@pytest.fixture
def note(request, record_property) -> Callable[[str], None]:
    """Add a line to what is shown when all tests are done."""
    folder = request.node.path.parent.name
    return lambda line: record_property(f"measured: {folder}", line)


def pytest_terminal_summary(terminalreporter) -> None:
    for folder, title in (("kernel", "on the running kernel"), ("guest", "in guests")):
        lines = [
            line
            for reports in terminalreporter.stats.values()
            for report in reports
            if getattr(report, "when", None) == "call"
            for name, line in report.user_properties
            if name == f"measured: {folder}"
        ]
        if lines:
            terminalreporter.section(f"measured {title}")
            for line in lines:
                terminalreporter.write_line(line)
