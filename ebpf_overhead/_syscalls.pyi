"""The system calls behind :mod:`ebpf_overhead.bpf` and :mod:`ebpf_overhead.pseudofs`.

Every failure is an ``OSError`` whose message names the system call.
"""

from typing_extensions import Buffer

# Numbers of the system calls that can be targets, on this architecture.
NR_getpid: int
NR_getppid: int
NR_read: int
NR_openat: int
NR_close: int
NR_sendto: int
NR_getpgid: int

def bpf(command: int, attribute: bytearray, /) -> int:
    """Call bpf(2); ``attribute`` is read, and filled by commands that answer in it."""

def perf_event_open(attribute: bytes, pid: int, cpu: int, group_fd: int, flags: int, /) -> int:
    """Call perf_event_open(2) and return the file descriptor."""

def detached_mount(fstype: str, /) -> int:
    """Mount ``fstype`` in no mount namespace; the mount goes with the descriptor returned.

    Needs Linux 5.2 and CAP_SYS_ADMIN.
    """

def address(buffer: Buffer, /) -> int:
    """Return the address of the buffer's first byte, for pointers inside attributes.

    The caller keeps the buffer alive while the address is in use.
    """
