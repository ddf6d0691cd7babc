"""The privileges of this process, and what a refusal by the kernel means."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Collection
from pathlib import Path

from ebpf_overhead.bpf import _syscalls, pseudofs
from ebpf_overhead.errors import FailedError, OverheadError, RefusedError, UnsupportedError

_REFUSALS = (errno.EPERM, errno.EACCES)
# PROC_USER_INIT_INO of include/linux/proc_ns.h.
FIRST_USER_NAMESPACE = "user:[4026531837]"

# Numbers of include/uapi/linux/capability.h.
CAPABILITIES = {
    "CAP_NET_ADMIN": 12,
    "CAP_SYS_ADMIN": 21,
    "CAP_SYS_RESOURCE": 24,
    "CAP_PERFMON": 38,
    "CAP_BPF": 39,
}


def effective_capabilities(status: Path = Path("/proc/self/status")) -> frozenset[str]:
    """Return which of :data:`CAPABILITIES` this process holds."""
    held = parse_effective(status.read_text(errors="replace")) or {}
    return frozenset(name for name, holds in held.items() if holds)


def parse_effective(status: str) -> dict[str, bool] | None:
    """Return which of :data:`CAPABILITIES` are held, from the text of ``/proc/*/status``.

    Returns
    -------
    dict of str to bool, or None
        By sorted name; None where the text has no line of effective capabilities.
    """
    effective = re.search(r"^CapEff:\s*([0-9a-f]+)$", status, re.MULTILINE)
    if effective is None:
        return None
    mask = int(effective[1], 16)
    return {name: bool(mask >> bit & 1) for name, bit in sorted(CAPABILITIES.items())}


def what_is_missing() -> str:
    """Return what this process lacks to attach tracing programs, as a clause; may be empty.

    Capabilities count in the first user namespace only.  Root of another namespace holds
    all of them and may attach nothing.
    """
    if _user_namespace() not in (FIRST_USER_NAMESPACE, None):
        return "capabilities of a user namespace count for nothing"
    held = effective_capabilities()
    if suffices(held):
        return ""
    lacking = [name for name in ("CAP_BPF", "CAP_PERFMON") if name not in held]
    return f"{' and '.join(lacking)} missing"


def suffices(held: Collection[str]) -> bool:
    """Whether these capabilities suffice to attach tracing programs."""
    return "CAP_SYS_ADMIN" in held or ("CAP_BPF" in held and "CAP_PERFMON" in held)


def _user_namespace() -> str | None:
    try:
        return str(Path("/proc/self/ns/user").readlink())
    except OSError:
        return None


# The kernel has neither: it says EINVAL to whoever has the capabilities.
_NO_COMMAND, _NO_FLAGS = 1 << 30, 1 << 31
OUTSIDE = "run outside of the container, or with --privileged"


def kept_back() -> str:
    """Return which calls nothing is allowed to this process, as a clause; may be empty.

    So it is under the seccomp filters of containers, whatever the capabilities are.
    """
    attempts = {
        "bpf(2)": lambda: _syscalls.bpf(_NO_COMMAND, bytearray(8)),
        "perf_event_open(2)": lambda: _syscalls.perf_event_open(bytearray(8), 0, -1, -1, _NO_FLAGS),
    }
    names = [name for name, attempt in attempts.items() if _is_kept_back(attempt)]
    if not names:
        return ""
    return f"{' and '.join(names)} refused to this process, by a container's seccomp or the like"


def _is_kept_back(attempt: Callable[[], int]) -> bool:
    try:
        attempt()
    except OSError as error:
        return error.errno in _REFUSALS
    return False


def _in_lockdown() -> bool:
    """Whether the kernel keeps kprobes and the like from everybody."""
    try:
        return "[confidentiality]" in pseudofs.read_text("securityfs", "lockdown")
    except OSError:
        return False


def _is_missing(capability: str, stage: str) -> bool:
    held = effective_capabilities()
    # To load a program of the network, CAP_SYS_ADMIN stands for CAP_NET_ADMIN.
    return bool(capability) and not held & {capability, "CAP_SYS_ADMIN" if stage == "load" else ""}


def _refused(reason: str, stage: str, also: str) -> RefusedError | None:
    """Return what this process lacks; None where it lacks nothing."""
    if missing := what_is_missing():
        return RefusedError(f"{reason}: {missing}", "run as root, or with CAP_BPF and CAP_PERFMON")
    if _is_missing(also, stage):
        return RefusedError(f"{reason}: {also} missing", f"run as root, or with {also}")
    if kept := kept_back():
        return RefusedError(f"{reason}: {kept}", OUTSIDE)
    return None


def explain(error: OSError, stage: str, what: str, also: str = "") -> OverheadError:
    """Turn a refusal by the kernel into a typed error with the kernel's own reason.

    Parameters
    ----------
    error : OSError
        What the system call said.
    stage : str
        ``load`` or ``attach``.
    what : str
        What was loaded or attached, for the message.
    also : str
        The capability that this may need besides CAP_BPF and CAP_PERFMON.

    Returns
    -------
    OverheadError
        RefusedError where privileges are missing.  UnsupportedError where this kernel does
        not have it.  FailedError for everything else.
    """
    name = errno.errorcode.get(error.errno or 0, str(error.errno))
    reason = f"{name} at {stage}: {what} refused"
    if error.errno in _REFUSALS and (refused := _refused(reason, stage, also)):
        return refused
    if error.errno == errno.EPERM and _in_lockdown():
        return UnsupportedError(
            f"{reason}: the kernel is in lockdown (confidentiality)",
            "boot with lockdown=integrity, or without Secure Boot",
        )
    if error.errno == errno.E2BIG and stage == "attach":
        # Trampolines and perf's lists of programs have a fixed size.
        return UnsupportedError(f"{reason}: full of programs", "attach fewer there")
    if error.errno in (
        errno.EPERM,
        errno.EOPNOTSUPP,
        errno.ENOENT,
        errno.EINVAL,
        errno.ENODEV,
        errno.ENOSYS,
        524,  # ENOTSUPP is internal to the kernel, but reaches user space
    ):
        if error.errno == 524:
            reason = f"ENOTSUPP at {stage}: {what} refused"
        return UnsupportedError(reason)
    return FailedError(f"{reason}: {error}")
