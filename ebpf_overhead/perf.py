"""The uses of perf_event_open(2) that this project has: hooks for programs, and a counter.

Names and numbers are those of ``include/uapi/linux/perf_event.h``, a stable interface of
the kernel.  The events of the PMUs ``kprobe`` and ``uprobe`` (Linux 4.17) are in no file of
tracefs, so there is none to clean up after a crash.
"""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

from ebpf_overhead import _syscalls

_PMUS = Path("/sys/bus/event_source/devices")

_TYPE_HARDWARE = 0
_TYPE_SOFTWARE = 1
_TYPE_TRACEPOINT = 2
_COUNT_HW_INSTRUCTIONS = 1
_COUNT_SW_BPF_OUTPUT = 10
# Bits of the attribute: never give the counter to others in turn; leave the hypervisor out.
_PINNED = 1 << 2
_EXCLUDE_HV = 1 << 6
_SAMPLE_RAW = 1 << 10
_ATTRIBUTE_BYTES = 112  # PERF_ATTR_SIZE_VER5, Linux 4.1
_FLAG_FD_CLOEXEC = 8
_IOC_SET_BPF = 0x40042408
_IOC_ENABLE = 0x2400
# Of the PMUs kprobe and uprobe: format/retprobe says config:0.
_CONFIG_AT_RETURN = 1


def pmu_type(name: str) -> int:
    """Return the number of a PMU that the kernel made.

    Raises
    ------
    OSError
        The kernel has none of that name.
    """
    return int((_PMUS / name / "type").read_text())


def tracepoint(event_id: int) -> int:
    """Open a perf event on a tracepoint of tracefs, for a program to be attached to.

    The event is opened for CPU 0 only, but the program runs on every CPU: perf keeps
    the list of programs by tracepoint, not by event (``perf_event_set_bpf_prog``).
    """
    return _open(_TYPE_TRACEPOINT, event_id)


def kprobe(pmu: int, symbol: str, offset: int = 0, at_return: bool = False) -> int:
    """Open a perf event on a kprobe or kretprobe."""
    name = symbol.encode() + b"\0"
    return _open(pmu, _CONFIG_AT_RETURN * at_return, _syscalls.address(name), offset)


def uprobe(
    pmu: int, path: str, offset_bytes: int, at_return: bool = False, everyone: bool = False
) -> int:
    """Open a perf event on a uprobe or uretprobe of the calling process, or of every one."""
    file = os.fsencode(path) + b"\0"
    config1 = _syscalls.address(file)
    whose = {} if everyone else {"pid": 0, "cpu": -1}
    return _open(pmu, _CONFIG_AT_RETURN * at_return, config1, offset_bytes, **whose)


def output(cpu: int) -> int:
    """Open a perf event that takes what programs hand to user space on a CPU.

    It wakes whoever waits at every record, as libbpf's and BCC's do.
    """
    attribute = _attribute(_TYPE_SOFTWARE, _COUNT_SW_BPF_OUTPUT)
    struct.pack_into("=Q", attribute, 24, _SAMPLE_RAW)
    struct.pack_into("=I", attribute, 48, 1)  # wakeup_events
    fd = _syscalls.perf_event_open(bytes(attribute), -1, cpu, -1, _FLAG_FD_CLOEXEC)
    enable(fd)
    return fd


def instructions() -> int:
    """Open a counter of the calling thread's instructions, in user and in kernel space.

    Raises
    ------
    OSError
        The CPU, or the hypervisor, has no such counter, or the kernel keeps it from this user.
    """
    return counter(_TYPE_HARDWARE, _COUNT_HW_INSTRUCTIONS)


def counter(pmu: int, config: int) -> int:
    """Open an event that counts, for the calling thread; its value is read from it."""
    attribute = _attribute(pmu, config)
    struct.pack_into("=Q", attribute, 16, 0)  # no samples
    struct.pack_into("=Q", attribute, 40, _PINNED | _EXCLUDE_HV)
    return _syscalls.perf_event_open(bytes(attribute), 0, -1, -1, _FLAG_FD_CLOEXEC)


def _open(
    pmu: int, config: int, config1: int = 0, config2: int = 0, pid: int = -1, cpu: int = 0
) -> int:
    attribute = _attribute(pmu, config)
    struct.pack_into("=QQ", attribute, 56, config1, config2)
    return _syscalls.perf_event_open(bytes(attribute), pid, cpu, -1, _FLAG_FD_CLOEXEC)


def _attribute(pmu: int, config: int) -> bytearray:
    attribute = bytearray(_ATTRIBUTE_BYTES)
    struct.pack_into("=IIQ", attribute, 0, pmu, _ATTRIBUTE_BYTES, config)
    struct.pack_into("=Q", attribute, 16, 1)  # sample_period
    return attribute


def attach(event_fd: int, prog_fd: int) -> int:
    """Attach a loaded program to an open perf event and switch the event on.

    Returns
    -------
    int
        The event: the program stays attached until it is closed.

    Raises
    ------
    OSError
        The kernel refused it; the event is closed.
    """
    try:
        fcntl.ioctl(event_fd, _IOC_SET_BPF, prog_fd)
        fcntl.ioctl(event_fd, _IOC_ENABLE, 0)
    except OSError as error:
        os.close(event_fd)
        raise OSError(error.errno, "ioctl(PERF_EVENT_IOC_SET_BPF)") from error
    return event_fd


def enable(event_fd: int) -> None:
    """Switch an open perf event on, with no program attached."""
    fcntl.ioctl(event_fd, _IOC_ENABLE, 0)
