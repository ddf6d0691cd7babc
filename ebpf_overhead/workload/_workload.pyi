"""The timed loops in C, documented.

A window is one timed batch of calls.  It reads ``CLOCK_MONOTONIC_RAW`` once before and once
after the batch.  In between it runs no Python and takes no lock.  The loop adds at most four
instructions per system call, five for ``sendto`` (``docs/loop.md`` shows them).

The global interpreter lock is released during a window.  Signal handlers run between
windows and never within one, so a window cannot be interrupted.
"""

from collections.abc import Sequence
from typing import Final

from typing_extensions import Buffer

WORKLOADS: Final[tuple[str, ...]]
"""The workloads that `run` knows.

``"getpid"``, ``"getppid"``
    The raw system call, in inline assembly on x86_64 and aarch64; with libc's ``syscall()`` on
    other machines.
``"read"``
    The same for one byte of /dev/zero.
``"openat_close"``
    Two system calls: openat on /dev/null, and close.
``"sendto"``
    One byte by UDP to a socket on 127.0.0.1 whose receive buffer is full: the packet reaches
    the socket and is dropped there.
``"getpgid"``
    The raw system call with the id of this process: the cheapest call that asks a security module.
``"function"``
    An exported function that begins with a one-byte nop (x86_64), for uprobes.
``"function_nop5"``, ``"function_nop10"``, ``"function_push"``, ``"function_ret"``
    The same with another first instruction: a nop of five or ten bytes (x86_64 only), a push
    (arm64: stp), a return.  They are in assembly, so only on x86_64 and aarch64.
``"function_test"``
    The same with a ``test``; x86_64 only.
``"usdt"``
    A function that contains the USDT probe ``ebpf_overhead:target``; x86_64 and aarch64.
``"write"``, ``"stat"``, ``"sched_yield"``
    One byte to /dev/null; newfstatat of /dev/null; sched_yield.
``"file_write"``, ``"file_fsync"``
    A page written to a file in memory; the same, and fsync.
``"page_fault"``, ``"mmap_touch_munmap"``
    madvise that gives a page back, and a write to it; a page mapped, written to and unmapped.
``"timer"``
    A timer that expires as it is set, and the wait for it.
``"fork_wait"``, ``"exec"``, ``"thread_create"``
    A process that ends at once, one that executes a program which does, a thread that does; and
    the wait for it.  The last two are only on x86_64 and aarch64.
``"futex_pingpong"``, ``"pipe_pingpong"``, ``"unix_request"``, ``"udp_request"``, ``"tcp_request"``
    Another thread, on the same CPUs, is woken and answers: by futex, or by a byte each way.
``"tcp_stream"``
    16 KiB by TCP to another thread, on the same CPUs, which reads them.
``"udp_connect"``
    connect of a UDP socket to itself: nothing is sent.
``"packet"``
    One byte by UDP through the loopback device of a network namespace of this process's own, sent
    and received by the same thread.
``"packet_veth"``
    The same through a pair of devices, from one such namespace to another.
``"malloc_free"``
    64 bytes from the C library, and back; for uprobes on its ``malloc``.
``"tcp_connect"``
    A connection to 127.0.0.1, accepted by the same thread, and closed at both ends.
``"none"``
    The same loop without a call: the cost of the loop itself.
"""

TASK_NAME: Final[str]
"""The name of tasks that work for a workload, and of the calling thread meanwhile: no other process
has it."""

COUNT_RING_RECORD: Final[int]
COUNT_PERF_EVENT: Final[int]
"""Addresses of callbacks for libbpf's ``ring_buffer__new`` and ``perf_buffer__new_raw``.

They count records; their context is the buffer ``words`` of `read_events`.
"""

MAX_CALLS: Final[int]
"""The maximum number of calls per window, 2**32."""

MAX_WINDOWS: Final[int]
"""The maximum number of windows per call of `run`, 2**24."""

def run(
    workload: str,
    calls: int,
    windows: int = 1,
    cpu: int | None = None,
    counter: int | None = None,
    preempted: Buffer | None = None,
) -> tuple[list[int], int]:
    """Time windows of calls of a workload.

    Parameters
    ----------
    workload : str
        One of `WORKLOADS`.
    calls : int
        Calls per window, 1 to `MAX_CALLS`.
    windows : int, default 1
        Windows to time, directly one after another, 1 to `MAX_WINDOWS`.
    cpu : int, optional
        Pin the calling thread to this CPU during the windows.  The CPUs that it was allowed
        before are always restored.  By default it is not pinned.
    counter : int, optional
        Descriptor of a perf event, whose count in each window is returned instead of the
        elapsed time.  Each reading is a read(2), which costs about one additional call.
    preempted : writable buffer, optional
        A byte per window.  It becomes 1 if the kernel took the CPU away from the thread in that
        window, without the thread having waited for anything, else 0 (``ru_nivcsw`` of
        getrusage(2), read before and after the window).

    Returns
    -------
    elapsed_ns : list of int
        Elapsed time of each window in nanoseconds, or the counter's count, in the order of
        measurement.
    calls_made : int
        Number of calls in all windows.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If the workload is unknown or a number is out of range.
    OSError
        If a system call failed, in a window or while preparing it.  The message begins with its
        name.  Only the result of the last call in each window is checked.
    BaseException
        The exception that a signal handler raised between two windows.
    """

def run_together(
    workload: str, calls: int, windows: int, cpus: Sequence[int], keep_busy: bool = True
) -> tuple[list[list[int]], list[list[int]], int]:
    """Time windows of calls on several CPUs at once.

    Each CPU has one thread, pinned to it.  Before each window the threads wait for each other,
    spinning, so that all begin within a fraction of a microsecond.  The interpreter lock is
    released.  Signal handlers run in the calling thread, every few milliseconds.  All threads
    have ended when the function returns or raises.

    Parameters
    ----------
    workload : str
        One of `WORKLOADS`.
    calls : int
        Calls per window on each CPU, 1 to `MAX_CALLS`.
    windows : int
        Windows to time, 1 to `MAX_WINDOWS`.
    cpus : sequence of int
        The CPUs, each once.
    keep_busy : bool, default True
        Whether a CPU that has finished its window goes on calling, untimed, until the slowest
        has finished.  So each window is measured while all other CPUs call.

    Returns
    -------
    elapsed_ns : list of list of int
        For each CPU, the elapsed time of each window in nanoseconds.
    start_ns : list of list of int
        For each CPU, the start of each window by ``CLOCK_MONOTONIC_RAW``.
    calls_made : int
        Number of calls on all CPUs, including untimed calls.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If the workload is unknown, a number is out of range, or a CPU is named twice.
    OSError
        If a system call failed.  The message begins with its name and gives the CPU.
    BaseException
        The exception that a signal handler raised.
    """

def watch(workload: str, words: Buffer, cpu: int, /) -> None:
    """Call a workload until told to stop; report the longest gap between two calls per span.

    It is for a separate thread: the interpreter lock is released, and another thread marks spans
    through shared memory.  The clock is read after every call.  A gap is the time between two
    readings.

    Parameters
    ----------
    workload : str
        One of `WORKLOADS`.
    words : writable buffer
        Five aligned 64-bit words, which both threads read and write as a whole.  The other thread
        sets the first to 1 to stop, and adds 1 to the second to close a span.  The calling thread
        answers within one call: the longest gap in nanoseconds in the fourth, the number of calls
        in the fifth, then the value of the second in the third.  A gap in which a span is closed
        belongs to that span.
    cpu : int
        The CPU to call from.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type, the workload is unknown, or the buffer is too small.
    OSError
        A system call failed in the preparation.  Results of the workload's calls are not checked.
    """

def run_paced(
    workload: str, calls: int, gap_ns: int, most_ns: int, cpu: int | None, sleeps: bool, /
) -> tuple[int, int, int]:
    """Time calls of a workload at a fixed rate.

    Parameters
    ----------
    workload : str
        One of `WORKLOADS`.
    calls : int
        How many, 1 to `MAX_CALLS`.
    gap_ns : int
        From the beginning of a call to the beginning of the next, in ns; 0 for no gap.  Where a
        call takes longer, the next one follows at once, and nothing is made up for.
    most_ns : int
        A call that takes longer does not count: another task had the CPU meanwhile.
    cpu : int or None
        Pin the calling thread to this CPU meanwhile, or to none.
    sleeps : bool
        Whether the thread sleeps between calls; else it spins.

    Returns
    -------
    counted : int
        Calls that count.
    calls_ns : int
        The time of these calls by themselves, with one reading of the clock each.
    window_ns : int
        From the beginning of the first call to the end of the last.

    Raises
    ------
    TypeError, ValueError, OSError
        As in `run`.
    """

def read_events(poll: int, consume: int, buffer: int, sleep_ns: int, words: Buffer, /) -> None:
    """Take records out of an event buffer until told to stop, by a function of libbpf's.

    It is for a separate thread: the interpreter lock is released.

    Parameters
    ----------
    poll, consume : int
        Address of ``ring_buffer__poll`` or ``perf_buffer__poll``, or of ``…__consume``; the other
        one is 0.
    buffer : int
        Address of libbpf's ``struct ring_buffer`` or ``perf_buffer``.
    sleep_ns : int
        How long to sleep after each call of the function, in ns; 0 for not at all.
    words : writable buffer
        Three aligned 64-bit words.  The other thread sets the first to 1 to stop; this may take
        100 ms.  The callbacks `COUNT_RING_RECORD` and `COUNT_PERF_EVENT` count records in the
        second, and those that were lost in the third.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type, or the buffer is too small.
    OSError
        libbpf reports an error.
    """

def clock_cost(windows: int = 1000) -> list[int]:
    """Time empty windows: two readings of the clock.

    Parameters
    ----------
    windows : int, default 1000
        Windows to time, 1 to `MAX_WINDOWS`.

    Returns
    -------
    list of int
        Elapsed time of each empty window in nanoseconds: the time that one reading of the clock
        adds to a window.

    Raises
    ------
    TypeError, ValueError, OSError, BaseException
        As in `run`.
    """

def loop_address(workload: str) -> int:
    """Return where in this process the loop of a workload begins.

    Parameters
    ----------
    workload : str
        One of `WORKLOADS`.

    Raises
    ------
    ValueError
        If the workload is unknown.
    """

def packet_network() -> int:
    """Return the network namespace that the packets of ``"packet"`` pass.

    It is made by the first who needs it, has no name, and ends with the process.

    Returns
    -------
    int
        Its descriptor, which stays open.

    Raises
    ------
    OSError
        The kernel refused it.
    """

def workload_symbol(workload: str = "function") -> tuple[str, str, int]:
    """Return the attach point of a workload for uprobes.

    Parameters
    ----------
    workload : str, default ``"function"``
        One of `WORKLOADS` that is not a system call.

    Returns
    -------
    path : str
        Path of the library, as it was imported.
    symbol : str
        Name of the function, or of the USDT probe, in the library's dynamic symbol table.
    offset_bytes : int
        Offset of the instruction in the file, as uprobes need it.

    Raises
    ------
    ValueError
        If the workload is unknown or has no symbol.
    RuntimeError
        If the dynamic linker does not know the library.
    """
