"""What the tests of measuring share."""

from __future__ import annotations

import pytest

from ebpf_overhead.bpf import statistics


@pytest.fixture(autouse=True)
def statistics_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels that are simulated count runs for a plain user, too."""
    monkeypatch.setattr(statistics, "refused", lambda: False)
