"""The system calls behind :mod:`ebpf_overhead.bpf.syscall` and :mod:`ebpf_overhead.bpf.pseudofs`.

Every failure is an ``OSError`` whose message names the system call.
"""

from typing_extensions import Buffer

# Numbers of the system calls that are workloads, on this architecture.
NR_getpid: int
NR_getppid: int
NR_getpgid: int
NR_read: int
NR_write: int
NR_openat: int
NR_close: int
NR_sendto: int
NR_newfstatat: int
NR_sched_yield: int
NR_pwrite64: int
NR_fsync: int
NR_madvise: int
NR_mmap: int
NR_munmap: int
NR_futex: int
NR_socket: int
NR_connect: int
NR_accept4: int
NR_timerfd_settime: int
NR_clone: int
NR_exit: int
NR_exit_group: int
NR_wait4: int
NR_execve: int
NR_recvfrom: int
NR_tgkill: int
NR_rt_sigreturn: int

def bpf(command: int, attribute: Buffer, /) -> int:
    """Call bpf(2); ``attribute`` is read, and filled by commands that answer in it."""

def perf_event_open(attribute: Buffer, pid: int, cpu: int, group_fd: int, flags: int, /) -> int:
    """Call perf_event_open(2) and return the file descriptor."""

def detached_mount(fstype: str, /) -> int:
    """Mount ``fstype`` in no mount namespace; the mount goes with the returned descriptor.

    Needs Linux 5.2 and CAP_SYS_ADMIN.
    """

def address(buffer: Buffer, /) -> int:
    """Return the address of a buffer's first byte, for pointers in attributes.

    The caller must keep the buffer alive while the address is in use.
    """
