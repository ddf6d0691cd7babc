"""What the tests share.

This file being here puts its folder on the import path of the folders below, so that
tests/kernel finds :mod:`processes` and :mod:`records`.
"""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def own_headers(monkeypatch):
    """Tests compile with the project's headers, whatever the user told BCC."""
    monkeypatch.delenv("BCC_KERNEL_SOURCE", raising=False)
