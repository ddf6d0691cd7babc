"""What the tests share.

This file being here puts its folder on the import path of the folders below, so that
tests/kernel finds :mod:`processes` and :mod:`records`.
"""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    """Tests do not depend on what the user told BCC or the suite in the environment."""
    monkeypatch.delenv("BCC_KERNEL_SOURCE", raising=False)
    monkeypatch.delenv("EBPF_OVERHEAD_CLOCK", raising=False)
