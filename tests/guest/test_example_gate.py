"""The example project's gate, as its workflow runs it: three instructions more are too many."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import guest_support
import pytest
from example_gate import Gate

from ebpf_overhead.kernels.layout import default_layout


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    guest_support.require()
    pytest.importorskip("asv", reason="asv is not installed: pip install 'ebpf-overhead[bench]'")
    with pytest.MonkeyPatch.context() as patched:
        programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        patched.setenv("PATH", programs)
        yield Gate(tmp_path_factory.mktemp("gate") / "example", default_layout().root)


def test_gate_passes_a_harmless_change_and_fails_three_instructions(gate):
    harmless = gate.change("    seen->calls++;\n", "    seen->calls += 1; /* as before */\n")
    status, printed, costs = gate.judge(gate.first)
    assert status == 0, printed
    assert "BENCHMARKS NOT SIGNIFICANTLY CHANGED." in printed
    assert costs[0] == pytest.approx(costs[1], abs=0.05)

    gate.change("/* as before */\n", "\n    seen->weight += 2;\n")
    status, printed, costs = gate.judge(harmless)
    assert status == 1, printed
    assert "PERFORMANCE DECREASED." in printed
    assert costs[1] - costs[0] == pytest.approx(3, abs=0.05)
