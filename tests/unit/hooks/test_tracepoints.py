"""Names of tracepoints that this kernel lacks."""

from __future__ import annotations

import pytest

from ebpf_overhead.bpf import pseudofs
from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.hooks import tracepoints
from ebpf_overhead.hooks.attach_point import AttachPoint

EVENTS = {"events/syscalls": ["enable", "sys_enter_getpid", "sys_exit_getpid"]}


@pytest.fixture
def tracefs(monkeypatch):
    def missing(fstype: str, path: str) -> str:
        raise FileNotFoundError(path)

    def names(fstype: str, path: str) -> list[str]:
        return EVENTS[path] if path in EVENTS else [missing(fstype, path)]

    monkeypatch.setattr(pseudofs, "read_text", missing)
    monkeypatch.setattr(pseudofs, "names", names)


@pytest.mark.usefixtures("tracefs")
@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("syscalls:sys_enter_getpd", "did you mean syscalls:sys_enter_getpid?"),
        ("syscalls:zzz", ""),
        ("raw_syscalls:sys_enter", "use a kernel with CONFIG_FTRACE_SYSCALLS=y"),
        ("no:such", ""),
    ],
)
def test_a_tracepoint_that_is_missing(name, remedy):
    with pytest.raises(UnsupportedError, match=f"no tracepoint {name} in this kernel") as caught:
        tracepoints.find_event(AttachPoint(name))
    first, _, _ = caught.value.remedy.partition(" or ")
    assert first.rstrip("?") == remedy.rstrip("?")
