"""What the tests share, and in which order and how far side by side they run.

This file being here puts its folder on the import path of the folders below, so that
tests/kernel finds :mod:`processes` and :mod:`records`.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

# A shell's background job ignores it, and so would all that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The longest first, so that no process waits for another at the end.
_ORDER = ["kernel", "guest", "tests"]
# Modules outside of tests/kernel that are run with it.
_WITH_KERNEL = ("test_workload", "test_targets")


class Scheduling(LoadScopeScheduling):
    """What one process runs: a module, or all of the running kernel's tests.

    The latter because each of them sees what others attach, and whether the kernel's
    statistics are on; and with them those that time system calls, or read what the machine
    counts of them.
    """

    def _split_scope(self, nodeid: str) -> str:
        module = Path(nodeid.partition("::")[0])
        on_kernel = module.parent.name == "kernel" or module.stem.startswith(_WITH_KERNEL)
        return "kernel" if on_kernel else str(module)


def pytest_xdist_make_scheduler(config: pytest.Config, log) -> Scheduling:
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    items.sort(key=lambda item: _ORDER.index(item.path.parent.name))


@pytest.fixture(autouse=True)
def own_headers(monkeypatch):
    """Tests compile with the project's headers, whatever the user told BCC."""
    monkeypatch.delenv("BCC_KERNEL_SOURCE", raising=False)


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
