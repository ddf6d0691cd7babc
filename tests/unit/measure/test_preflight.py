"""What is missing before anything can be measured: one line, and a remedy."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from ebpf_overhead.errors import ExitStatus, MissingToolError, RefusedError, UnsupportedError
from ebpf_overhead.hooks.cases import CoAttached, select
from ebpf_overhead.measure import preflight


@pytest.fixture
def machine(monkeypatch):
    """A machine on which everything is there, or this is missing."""

    def machine(
        rights: str = "",
        bpf: int | None = None,
        bcc: Exception | None = None,
        counts: bool = True,
        maps: int | None = None,
    ):
        def library_path():
            if bcc is not None:
                raise bcc

        def enable_stats() -> int:
            if bpf is not None:
                raise OSError(bpf, "bpf(BPF_ENABLE_STATS)")
            return os.open(os.devnull, os.O_RDONLY)

        monkeypatch.setattr(preflight.bcc, "library_path", library_path)

        def create(size, name) -> int:
            if maps is not None:
                raise OSError(maps, "bpf(BPF_MAP_CREATE)")
            return os.open(os.devnull, os.O_RDONLY)

        monkeypatch.setattr(preflight, "what_is_missing", lambda: rights)
        monkeypatch.setattr(preflight.statistics, "refused", lambda: not counts)
        monkeypatch.setattr(preflight.maps, "create", create)
        monkeypatch.setattr(preflight.syscall, "enable_stats", enable_stats)

    return machine


def test_nothing_is_missing(machine):
    machine()
    preflight.check()


def test_statistics_are_not_needed_where_they_are_refused(machine):
    machine(bpf=errno.EPERM, counts=False)
    preflight.check()


@pytest.mark.parametrize(
    ("missing", "kind", "words"),
    [
        ({"bcc": MissingToolError("BCC not found", "install it")}, MissingToolError, "install it"),
        (
            {"rights": "CAP_PERFMON missing"},
            RefusedError,
            "CAP_BPF and CAP_PERFMON: CAP_PERFMON missing; run as root",
        ),
        ({"maps": errno.EPERM}, RefusedError, r"bpf\(2\) refused.*EPERM.*seccomp.*; run outside"),
        ({"bpf": errno.EPERM}, RefusedError, r"bpf\(2\) refused.*EPERM.*; run outside"),
        ({"bpf": errno.ENOSYS}, UnsupportedError, "no usable BPF.*ENOSYS.*CONFIG_BPF_SYSCALL=y"),
        ({"bpf": errno.EINVAL}, UnsupportedError, "no usable BPF.*EINVAL.*Linux 5.8"),
    ],
)
def test_what_is_missing(machine, missing, kind, words):
    machine(**missing)
    with pytest.raises(kind, match=words) as caught:
        preflight.check()
    assert caught.value.exit_status == ExitStatus.NOTHING_MEASURABLE
    assert "\n" not in str(caught.value)


def test_object_files_need_no_compiler(machine):
    objects = Path(__file__).parents[2] / "data" / "objects"
    (of_object,) = select([], [str(objects / "simple-tracepoint.bpf.o")])
    (of_source,) = select(["tp_btf"], ["empty"])
    both = replace(of_object, co_attached=CoAttached((of_source,)))
    machine(bcc=MissingToolError("BCC: libbcc.so.0 not found"))
    preflight.check([of_object])
    for cases in ([of_object, of_source], [both], None):
        with pytest.raises(MissingToolError):
            preflight.check(cases)
