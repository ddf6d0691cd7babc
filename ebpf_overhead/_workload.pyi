"""The timed loops, in C: this stub documents them.

A window is one timed batch of calls.  It reads ``CLOCK_MONOTONIC_RAW`` once before
and once after the batch and does nothing else in between: no Python, no lock, at most
four instructions a system call besides it, five for ``sendto`` (``docs/loop.md`` shows them).

The global interpreter lock is released during a window.  Signal handlers run between
windows, never within one, so a window cannot be interrupted.
"""

from collections.abc import Sequence
from typing import Final

from typing_extensions import Buffer

TARGETS: Final[tuple[str, ...]]
"""The targets `run` knows.

``"getpid"``, ``"getppid"``
    The raw system call: inline assembly on x86_64 and aarch64, libc's ``syscall()``
    on other machines.
``"read"``
    The same of one byte of /dev/zero.
``"openat_close"``
    Two system calls: openat of /dev/null, and close.
``"sendto"``
    One byte by UDP to a socket on 127.0.0.1 whose receive buffer is full: the packet goes all
    the way and is dropped there.
``"getpgid"``
    The raw system call with the id of this process: the cheapest that asks a security module.
``"function"``
    An exported function that begins with a one-byte nop (x86_64), for uprobes.
``"function_nop5"``, ``"function_nop10"``, ``"function_push"``, ``"function_ret"``
    The same with another first instruction: a nop of five or ten bytes (x86_64 only), a push
    (arm64: stp), a return.  In assembly, so only on x86_64 and aarch64.
``"usdt"``
    A function with a USDT probe, ``ebpf_overhead:target``, in it; x86_64 and aarch64.
``"none"``
    The same loop with nothing called: what the loop itself costs.
"""

MAX_CALLS: Final[int]
"""The most calls a window can have, 2**32."""

MAX_WINDOWS: Final[int]
"""The most windows one call can time, 2**24."""

def run(
    target: str,
    calls: int,
    windows: int = 1,
    cpu: int | None = None,
    counter: int | None = None,
) -> tuple[list[int], int]:
    """Time windows of calls of a target.

    Parameters
    ----------
    target : str
        What to call, one of `TARGETS`.
    calls : int
        Calls in each window, 1 to `MAX_CALLS`.
    windows : int, default 1
        Windows to time, one directly after another, 1 to `MAX_WINDOWS`.
    cpu : int, optional
        Pin the calling thread to this CPU for as long as the windows take.  What it was
        allowed before is restored on every way out.  By default it is not pinned.

    counter : int, optional
        Descriptor of a perf event: what it counted in each window is returned instead of
        the elapsed time.  Each reading is a read(2), about as much as one call more.

    Returns
    -------
    elapsed_ns : list of int
        Elapsed time of each window in nanoseconds (or what the counter counted), in the
        order of measurement.
    calls_made : int
        Calls made in all windows together.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If the target is unknown or a number is out of range.
    OSError
        If a system call failed, in a window or in preparing one; the message begins with its
        name.  The result of the target's last call in each window is checked, not of every one.
    BaseException
        Whatever a signal handler raised between two windows.
    """

def run_together(
    target: str, calls: int, windows: int, cpus: Sequence[int], keep_busy: bool = True
) -> tuple[list[list[int]], list[list[int]], int]:
    """Time windows of calls on several CPUs at once.

    One thread a CPU, pinned to it.  Before each window they wait for each other, spinning,
    so that all begin within a fraction of a microsecond.  The interpreter lock is released;
    signal handlers run in the calling thread, every few milliseconds.  All threads have
    ended when it returns, on every way out.

    Parameters
    ----------
    target : str
        What to call, one of `TARGETS`.
    calls : int
        Calls in each window of each CPU, 1 to `MAX_CALLS`.
    windows : int
        Windows to time, 1 to `MAX_WINDOWS`.
    cpus : sequence of int
        Where; each CPU once.
    keep_busy : bool, default True
        Have a CPU that has done its window go on calling, untimed, until the slowest has,
        too: so all of every window is measured with the others at work.

    Returns
    -------
    elapsed_ns : list of list of int
        For each CPU, the elapsed time of each window in nanoseconds.
    start_ns : list of list of int
        For each CPU, when each window began, by ``CLOCK_MONOTONIC_RAW``.
    calls_made : int
        Calls made on all CPUs together, untimed ones included.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If the target is unknown, a number is out of range, or a CPU is named twice.
    OSError
        If a system call failed; the message begins with its name, and says on which CPU.
    BaseException
        Whatever a signal handler raised.
    """

def watch(target: str, words: Buffer, cpu: int, /) -> None:
    """Call a target until told to stop, and tell the longest gap between two calls of each span.

    For a thread of its own: the interpreter lock is released, and another thread marks spans
    through shared memory.  The clock is read after every call; a gap is from one reading to the
    next.

    Parameters
    ----------
    target : str
        What to call, one of `TARGETS`.
    words : writable buffer
        Five 64-bit words, aligned, that both threads read and write as wholes.  The other one
        sets the first to 1 to stop, and adds 1 to the second to close a span.  The caller answers
        within one call: longest gap in nanoseconds in the fourth, calls in the fifth, then the
        second's value in the third.  A gap during which a span is closed belongs to it.
    cpu : int
        Where to call from.

    Raises
    ------
    TypeError, ValueError
        An argument is of the wrong type, the target is unknown, or the buffer is too small.
    OSError
        A system call failed in preparing; what the target's calls return is not looked at.
    """

def clock_cost(windows: int = 1000) -> list[int]:
    """Time windows with nothing in them: two readings of the clock.

    Parameters
    ----------
    windows : int, default 1000
        Windows to time, 1 to `MAX_WINDOWS`.

    Returns
    -------
    list of int
        Elapsed time of each empty window in nanoseconds: what one reading of the clock adds
        to a window.

    Raises
    ------
    TypeError, ValueError, OSError, BaseException
        As in `run`.
    """

def target_symbol(target: str = "function") -> tuple[str, str, int]:
    """Say where a target is, for a uprobe on it.

    Parameters
    ----------
    target : str, default ``"function"``
        One of `TARGETS` that is no system call.

    Returns
    -------
    path : str
        Path of the library, as it was imported.
    symbol : str
        Name of the function, or of the USDT probe's place, in the library's dynamic symbol
        table.
    offset_bytes : int
        Offset of the instruction in the file, as uprobes want it.

    Raises
    ------
    ValueError
        If the target is unknown or has no symbol.
    RuntimeError
        If the dynamic linker does not know the library.
    """
