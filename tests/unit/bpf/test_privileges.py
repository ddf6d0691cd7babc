"""What a refusal by the kernel means, with and without the privileges to trace."""

from __future__ import annotations

import errno
import os

import pytest

from ebpf_overhead.bpf import privileges
from ebpf_overhead.errors import ExitStatus, FailedError, RefusedError, UnsupportedError

ROOT_MASK = 0x1FFFFFFFFFF
SYS_ADMIN, BPF, PERFMON = 1 << 21, 1 << 39, 1 << 38
FIRST_NAMESPACE = "user:[4026531837]"


@pytest.fixture
def process(monkeypatch, tmp_path):
    """Make this process hold the capabilities of a mask, in a user namespace."""
    really = privileges.effective_capabilities

    def process(mask: int, namespace: str | None = FIRST_NAMESPACE) -> None:
        status = tmp_path / "status"
        status.write_text(f"Name:\tpython3\nCapPrm:\t{ROOT_MASK:016x}\nCapEff:\t{mask:016x}\n")
        monkeypatch.setattr(privileges, "effective_capabilities", lambda: really(status))
        monkeypatch.setattr(privileges, "_user_namespace", lambda: namespace)
        monkeypatch.setattr(privileges, "kept_back", str)
        monkeypatch.setattr(privileges, "_in_lockdown", bool)

    return process


@pytest.mark.parametrize(
    ("mask", "names"),
    [
        (0, set()),
        (ROOT_MASK, set(privileges.CAPABILITIES)),
        (BPF, {"CAP_BPF"}),
        (BPF | PERFMON, {"CAP_BPF", "CAP_PERFMON"}),
        (1 << 24, {"CAP_SYS_RESOURCE"}),
        (~(SYS_ADMIN | BPF | PERFMON | 1 << 24 | 1 << 12) & ROOT_MASK, set()),
    ],
)
def test_effective_capabilities(tmp_path, mask, names):
    status = tmp_path / "status"
    status.write_text(f"CapInh:\t{ROOT_MASK:016x}\nCapEff:\t{mask:016x}\n")
    assert privileges.effective_capabilities(status) == names


def test_status_without_capabilities_gives_none(tmp_path):
    status = tmp_path / "status"
    status.write_text("Name:\tpython3\n")
    assert privileges.effective_capabilities(status) == frozenset()


def test_capabilities_of_this_process_match_its_user():
    held = privileges.effective_capabilities()
    assert held <= set(privileges.CAPABILITIES)
    if os.geteuid() != 0:
        assert "CAP_SYS_ADMIN" not in held


@pytest.mark.parametrize(
    ("mask", "namespace", "may"),
    [
        (ROOT_MASK, FIRST_NAMESPACE, True),
        (SYS_ADMIN, FIRST_NAMESPACE, True),
        (BPF | PERFMON, FIRST_NAMESPACE, True),
        (BPF, FIRST_NAMESPACE, False),
        (PERFMON, FIRST_NAMESPACE, False),
        (0, FIRST_NAMESPACE, False),
        # Root of another user namespace holds every capability and may attach nothing.
        (ROOT_MASK, "user:[4026532281]", False),
        # A kernel without user namespaces.
        (ROOT_MASK, None, True),
    ],
)
def test_may_trace(process, mask, namespace, may):
    process(mask, namespace)
    assert (privileges.what_is_missing() == "") is may


WITHOUT_PRIVILEGES = {
    errno.EPERM: RefusedError,
    errno.EACCES: RefusedError,
}
WITH_PRIVILEGES = {
    errno.EPERM: UnsupportedError,
    errno.EACCES: FailedError,
}
EITHER = {
    errno.EOPNOTSUPP: UnsupportedError,
    errno.ENOENT: UnsupportedError,
    errno.EINVAL: UnsupportedError,
    errno.ENODEV: UnsupportedError,
    errno.ENOSYS: UnsupportedError,
    524: UnsupportedError,
    errno.E2BIG: FailedError,
    errno.ENOMEM: FailedError,
    errno.EBUSY: FailedError,
    errno.EMFILE: FailedError,
    errno.ENOSPC: FailedError,
}


@pytest.mark.parametrize(
    ("mask", "number", "kind"),
    [
        *((0, number, kind) for number, kind in (WITHOUT_PRIVILEGES | EITHER).items()),
        *((BPF | PERFMON, number, kind) for number, kind in (WITH_PRIVILEGES | EITHER).items()),
    ],
)
@pytest.mark.parametrize("stage", ["load", "attach"])
def test_explain(process, mask, number, kind, stage):
    process(mask)
    error = privileges.explain(OSError(number, os.strerror(number)), stage, "fentry")
    if number == errno.E2BIG and stage == "attach":  # as many programs as a hook takes
        kind = UnsupportedError
    assert type(error) is kind
    name = "ENOTSUPP" if number == 524 else errno.errorcode[number]
    assert error.what.startswith(f"{name} at {stage}: fentry refused")
    if kind is RefusedError:
        assert "CAP_BPF and CAP_PERFMON missing" in error.what
        assert error.remedy
    assert (error.exit_status == ExitStatus.CASE_FAILED) == (kind is FailedError)


@pytest.mark.parametrize(
    ("mask", "namespace", "said"),
    [
        (ROOT_MASK, FIRST_NAMESPACE, ""),
        (BPF | PERFMON, FIRST_NAMESPACE, ""),
        (PERFMON, FIRST_NAMESPACE, "CAP_BPF missing"),
        (BPF, FIRST_NAMESPACE, "CAP_PERFMON missing"),
        (0, FIRST_NAMESPACE, "CAP_BPF and CAP_PERFMON missing"),
        (
            ROOT_MASK,
            "user:[4026532281]",
            "capabilities of a user namespace count for nothing",
        ),
    ],
)
def test_what_is_missing(process, mask, namespace, said):
    process(mask, namespace)
    assert privileges.what_is_missing() == said


@pytest.mark.parametrize(
    ("more", "stage", "also", "missing"),
    [
        (0, "attach", "CAP_SYS_ADMIN", True),
        (SYS_ADMIN, "attach", "CAP_SYS_ADMIN", False),
        (SYS_ADMIN, "attach", "CAP_NET_ADMIN", True),
        (SYS_ADMIN, "load", "CAP_NET_ADMIN", False),
        (0, "load", "CAP_NET_ADMIN", True),
        (1 << 12, "load", "CAP_NET_ADMIN", False),
        (0, "load", "", False),
    ],
)
def test_capability_that_some_hooks_need_besides(process, more, stage, also, missing):
    process(BPF | PERFMON | more)
    error = privileges.explain(OSError(errno.EPERM, "bpf"), stage, "tc", also)
    assert isinstance(error, RefusedError if missing else UnsupportedError)
    assert (f"{also} missing" in error.what) is missing


def test_known_number_is_named(process):
    process(ROOT_MASK)
    error = privileges.explain(PermissionError(errno.EPERM, "bpf(BPF_PROG_LOAD)"), "load", "fentry")
    assert str(error) == "EPERM at load: fentry refused"


def test_error_without_a_number_is_a_failure(process):
    process(ROOT_MASK)
    assert isinstance(privileges.explain(OSError("odd"), "load", "kprobe"), FailedError)


@pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES])
def test_call_that_a_filter_keeps_back_is_refused(process, monkeypatch, number):
    process(ROOT_MASK)
    monkeypatch.setattr(privileges, "kept_back", lambda: "bpf(2) refused to this process")
    error = privileges.explain(OSError(number, "bpf"), "load", "tp_btf")
    assert type(error) is RefusedError
    assert "tp_btf refused: bpf(2) refused to this process; run outside" in str(error)


def test_calls_that_the_kernel_answers_are_not_kept_back(monkeypatch):
    def answer(*arguments):
        raise OSError(errno.EINVAL, "call")

    monkeypatch.setattr(privileges._syscalls, "bpf", answer)
    monkeypatch.setattr(privileges._syscalls, "perf_event_open", answer)
    assert privileges.kept_back() == ""
