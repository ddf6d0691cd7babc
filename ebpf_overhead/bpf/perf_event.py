"""perf_event_open(2) as this project uses it: hooks for programs, event buffers, and counters.

Names and numbers are those of ``include/uapi/linux/perf_event.h``, a stable interface of
the kernel.  Events of the PMUs ``kprobe`` and ``uprobe`` (Linux 4.17) need no file in
tracefs.  So nothing has to be cleaned up after a crash.
"""

from __future__ import annotations

import fcntl
import os
from ctypes import sizeof
from functools import cache
from pathlib import Path

from ebpf_overhead.bpf import _syscalls
from ebpf_overhead.bpf.structures import PerfEventAttr
from ebpf_overhead.errors import UnsupportedError

_PMUS = Path("/sys/bus/event_source/devices")

_TYPE_HARDWARE = 0
TYPE_SOFTWARE = 1
TYPE_TRACEPOINT = 2
_COUNT_HW_INSTRUCTIONS = 1
_PAGE_FAULTS = 2  # PERF_COUNT_SW_PAGE_FAULTS
BPF_OUTPUT = 10  # PERF_COUNT_SW_BPF_OUTPUT
_SAMPLE_RAW = 1 << 10
_FLAG_FD_CLOEXEC = 8
# PERF_EVENT_IOC_…
SET_BPF = 0x40042408
ENABLE, DISABLE = 0x2400, 0x2401
# Of the PMUs kprobe and uprobe: format/retprobe says config:0.
_CONFIG_AT_RETURN = 1


def kprobe_pmu() -> int:
    """Return the number of the PMU whose events are kprobes; see :func:`_probe_pmu`."""
    return _probe_pmu("kprobe")


def uprobe_pmu() -> int:
    """Return the number of the PMU whose events are uprobes; see :func:`_probe_pmu`."""
    return _probe_pmu("uprobe")


@cache
def _probe_pmu(kind: str) -> int:
    """Return the number of a PMU of probes.

    Raises
    ------
    UnsupportedError
        This kernel has no such PMU.
    """
    path = _PMUS / kind / "type"
    try:
        return int(path.read_text())
    except OSError:
        option = kind.upper()
        raise UnsupportedError(
            f"{kind} events absent ({path} not found): CONFIG_{option}S off",
            f"use a kernel with CONFIG_{option}_EVENTS=y",
        ) from None


def tracepoint(event_id: int) -> int:
    """Open a perf event on a tracepoint of tracefs, to which a program can be attached.

    The event is opened for CPU 0 only, but the program runs on every CPU: perf keeps
    the list of programs by tracepoint, not by event (``perf_event_set_bpf_prog``).
    """
    return _open(TYPE_TRACEPOINT, event_id)


def kprobe(pmu: int, symbol: str, offset: int = 0, at_return: bool = False) -> int:
    """Open a perf event on a kprobe or kretprobe."""
    name = symbol.encode() + b"\0"
    return _open(pmu, _CONFIG_AT_RETURN * at_return, _syscalls.address(name), offset)


def uprobe(
    pmu: int, path: str, offset_bytes: int, at_return: bool = False, pid: int | None = None
) -> int:
    """Open a perf event on a uprobe or uretprobe of one process, or of all processes."""
    file = os.fsencode(path) + b"\0"
    config1 = _syscalls.address(file)
    whose = {} if pid is None else {"pid": pid, "cpu": -1}
    return _open(pmu, _CONFIG_AT_RETURN * at_return, config1, offset_bytes, **whose)


def page_fault(cpu: int) -> int:
    """Open an event that samples each page fault on a CPU."""
    return _open(TYPE_SOFTWARE, _PAGE_FAULTS, cpu=cpu)


def output(cpu: int) -> int:
    """Open a perf event that receives what programs send to user space on a CPU.

    It wakes the reader at every record, as libbpf's and BCC's events do.
    """
    fd = _syscalls.perf_event_open(output_attribute(), -1, cpu, -1, _FLAG_FD_CLOEXEC)
    enable(fd)
    return fd


def output_attribute(wakeup_events: int = 1) -> PerfEventAttr:
    """Return what describes such an event, which wakes the reader at every so manyth record."""
    attribute = _attribute(TYPE_SOFTWARE, BPF_OUTPUT)
    attribute.sample_type, attribute.wakeup_events = _SAMPLE_RAW, wakeup_events
    return attribute


def instructions() -> int:
    """Open a counter of the calling thread's instructions in user and kernel space.

    Raises
    ------
    OSError
        The CPU or the hypervisor has no such counter, or the kernel denies it to this user.
    """
    return counter(_TYPE_HARDWARE, _COUNT_HW_INSTRUCTIONS)


def counter(pmu: int, config: int) -> int:
    """Open a counting event for the calling thread; its value is read from the descriptor."""
    attribute = _attribute(pmu, config)
    attribute.sample_period = 0  # no samples
    attribute.pinned = 1  # the counter is never shared in turns
    attribute.exclude_hv = 1
    return _syscalls.perf_event_open(attribute, 0, -1, -1, _FLAG_FD_CLOEXEC)


def _open(
    pmu: int, config: int, config1: int = 0, config2: int = 0, pid: int = -1, cpu: int = 0
) -> int:
    attribute = _attribute(pmu, config)
    attribute.config1, attribute.config2 = config1, config2
    return _syscalls.perf_event_open(attribute, pid, cpu, -1, _FLAG_FD_CLOEXEC)


def _attribute(pmu: int, config: int) -> PerfEventAttr:
    return PerfEventAttr(type=pmu, size=sizeof(PerfEventAttr), config=config, sample_period=1)


def attach(event_fd: int, prog_fd: int) -> int:
    """Attach a loaded program to an open perf event and switch the event on.

    Returns
    -------
    int
        The event.  The program stays attached until the event is closed.

    Raises
    ------
    OSError
        The kernel refused the program; the event is closed.
    """
    try:
        fcntl.ioctl(event_fd, SET_BPF, prog_fd)
        fcntl.ioctl(event_fd, ENABLE, 0)
    except OSError as error:
        os.close(event_fd)
        raise OSError(error.errno, "ioctl(PERF_EVENT_IOC_SET_BPF)") from error
    return event_fd


def enable(event_fd: int) -> None:
    """Switch on an open perf event that has no program."""
    fcntl.ioctl(event_fd, ENABLE, 0)
