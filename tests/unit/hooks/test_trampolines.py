"""Security hooks on kernels that this machine does not run."""

from __future__ import annotations

import pytest

from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.hooks import trampolines
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.hooks.attach_types import ATTACH_TYPES
from ebpf_overhead.workload.workloads import WORKLOADS


@pytest.mark.parametrize(("active", "names"), [("lockdown,yama\n", "lockdown, yama"), ("", "none")])
def test_security_hook_where_bpf_is_no_active_module(monkeypatch, active, names):
    """Attached it would be, and never run."""
    monkeypatch.setattr(trampolines.pseudofs, "read_text", lambda *_: active)
    row, point = ATTACH_TYPES["lsm"], AttachPoint("bpf_lsm_task_getpgid")
    assert list(row.points(WORKLOADS["getpgid"])) == [point]
    words = rf"bpf is none of the active security modules \({names}\); boot with lsm="
    with pytest.raises(UnsupportedError, match=words):
        row.find(point)
