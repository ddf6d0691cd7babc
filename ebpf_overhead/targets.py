"""Whether a target can be called on this machine: found out by calling it."""

from __future__ import annotations

from ebpf_overhead import _workload
from ebpf_overhead.cases import Target
from ebpf_overhead.errors import UnsupportedError

_REMEDIES = {
    "read": "give this process /dev/zero",
    "openat_close": "give this process /dev/null",
    "sendto": "bring the loopback interface up: ip link set lo up",
}


def require(target: Target) -> None:
    """Raise UnsupportedError unless a target can be called, with the system call that failed."""
    try:
        _workload.run(target.name, 1)
    except OSError as error:
        raise UnsupportedError(
            f"{target.name} cannot be called: {error.strerror}",
            _REMEDIES.get(target.name, "allow it in the process's seccomp filter"),
        ) from error
