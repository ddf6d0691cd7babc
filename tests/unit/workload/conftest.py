"""What the tests of workloads need: a few of these need privileges that a plain user lacks."""

from __future__ import annotations

import os

import pytest

from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.workload.workloads import WORKLOADS, require


@pytest.fixture(autouse=True)
def may_be_called(request: pytest.FixtureRequest) -> None:
    """Skip a test whose workload only root may call; as root, none is skipped."""
    called = getattr(request.node, "callspec", None)
    workload = None if called is None else called.params.get("workload")
    if workload is not None:
        skip_unless_allowed(getattr(workload, "name", workload))


@pytest.fixture
def may_execute() -> None:
    """Skip a test that calls the workload exec where that is not allowed."""
    skip_unless_allowed("exec")


def skip_unless_allowed(name: str) -> None:
    if os.geteuid() == 0 or name not in WORKLOADS:
        return
    try:
        require(WORKLOADS[name])
    except UnsupportedError as error:
        if "run as root" not in error.remedy:
            raise
        pytest.skip(str(error))
