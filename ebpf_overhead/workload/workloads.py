"""The workloads, and whether each can be called on this machine."""

from __future__ import annotations

from dataclasses import dataclass

from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.workload import _workload


@dataclass(frozen=True)
class Workload:
    """An operation that is timed.

    Attributes
    ----------
    name : str
        Name in results and for :func:`ebpf_overhead.workload._workload.run`.
    syscall : str or None
        Name of the system call in tracefs, without ``sys_enter_``.  Hooks of one system call
        attach to it.  None for a function of this process, which nobody else calls.
    system_calls : tuple of (str, int)
        Every system call that one call of the workload makes, with how often: by the calling task
        and by those that it starts.  Empty for ``syscall`` once.
    returns : int or None
        How often ``syscall`` returns in a call, where that differs: in a new task, too.
    checked_calls : int
        Calls of a run count check: fewer where they are expensive.
    passes : str
        Attach points that a call passes besides its system calls, each with how often, where that
        is not once: tracepoints as ``category:event``, and functions of the kernel.  ``?`` where it
        differs from call to call.  Counted, not assumed: ``ebpf-overhead workloads --count``.
    kind : str
        Which attach types it has: those of a ``syscall``, of ``security`` (a system call that
        asks security modules), of a ``function``, of ``usdt``, of a ``packet``, of one
        through ``veth``, or of the ``connect`` of a socket.
    also : tuple of str
        Further kinds, of which it is the workload to measure by default: of a page ``fault``, the
        ``open`` of a file, ``exec``, the connection of a ``socket``, of one of ``tcp``, the
        ``switch`` of tasks, and their ``wakeup``.
    begins_with : str or None
        First instruction of such a function of ours, a key of :data:`INSTRUCTIONS`.
    security_hook : str or None
        Name of the security hook that runs during the call.
    shared : bool
        Whether other code of this process calls the function, or sends packets, too.
    """

    name: str
    syscall: str | None
    system_calls: tuple[tuple[str, int], ...] = ()
    kind: str = "syscall"
    also: tuple[str, ...] = ()
    begins_with: str | None = None
    security_hook: str | None = None
    returns: int | None = None
    checked_calls: int = 1_000
    passes: str = ""
    shared: bool = False

    @property
    def kinds(self) -> tuple[str, ...]:
        """All kinds that it is of."""
        return (self.kind, *self.also)

    @property
    def few_calls(self) -> int:
        """Calls where it is only seen that a program runs, or where its maps are filled."""
        return self.checked_calls // 10

    @property
    def times(self) -> dict[str, int]:
        """How often each system call is made in one call of the workload."""
        return dict(self.system_calls) or ({self.syscall: 1} if self.syscall else {})

    @property
    def passed(self) -> dict[str, int | None]:
        """How often a call passes each attach point of ``passes``; None where that differs."""
        named = (each.split() for each in self.passes.split(","))
        return {
            words[0]: None if words[1:] == ["?"] else int("".join(words[1:]) or 1)
            for words in named
            if words
        }

    def entries(self, all_calls: bool) -> int:
        """Return how often a hook of all system calls, or of ``syscall``, sees one begin."""
        if all_calls and self.times:
            return sum(self.times.values())
        return 1 if self.syscall is None else self.times[self.syscall]

    def exits(self, all_calls: bool) -> int:
        """Return how often such a hook sees one end."""
        # A task that is started returns from a call that it did not begin, and one that ends does
        # not return from its last: together they are as many.
        if all_calls or self.returns is None:
            return self.entries(all_calls)
        return self.returns


# The bytes of a function's first instruction in its file, by machine.
INSTRUCTIONS = {
    "nop": {"x86_64": "90", "aarch64": "1f2003d5"},
    "nop5": {"x86_64": "0f1f440000"},
    "nop10": {"x86_64": "662e0f1f840000000000"},
    "push": {"x86_64": "55", "aarch64": "fd7bbfa9"},  # push %rbp; stp x29, x30, [sp, #-16]!
    "ret": {"x86_64": "c3", "aarch64": "c0035fd6"},
}

GETPID = Workload("getpid", syscall="getpid")


def _request(name: str, passes: str, also: tuple[str, ...] = ()) -> Workload:
    """Return a workload of a question and an answer: two threads write, and two read."""
    calls = (("write", 2), ("read", 2))
    return Workload(name, "write", calls, also=also, checked_calls=200, passes=passes)


# Those that show whether what a probe adds depends on what the call itself costs.
BY_COST = ("getpid", "read", "openat_close", "sendto")

# A packet is sent and received by the same thread.
_PACKET = (("write", 1), ("read", 1))
_FAULT = "exceptions:page_fault_user, handle_mm_fault"
_WAKES = "sched:sched_waking ?, sched:sched_wakeup ?, timer:hrtimer_start ?"
_SWITCHES = f"sched:sched_switch 2, {_WAKES}"
_NEW_TASK = (
    "kernel_clone, do_exit, task:task_newtask, sched:sched_process_fork, sched:sched_process_exit,"
    f" sched:sched_wakeup_new, sched:sched_switch ?, {_WAKES}"
)
_NEW_PROCESS = f"{_NEW_TASK}, sched:sched_process_wait, signal:signal_generate"

# From cheap to expensive, then the workloads of few attach types.
WORKLOADS = {
    workload.name: workload
    for workload in (
        GETPID,
        Workload("read", "read", passes="vfs_read"),
        Workload("write", "write", passes="vfs_write"),
        Workload("stat", "newfstatat", passes="vfs_statx"),
        Workload(
            "openat_close",
            "openat",
            (("openat", 1), ("close", 1)),
            also=("open",),
            passes="do_sys_openat2, security_file_open, __fput",
        ),
        Workload(
            "sendto",
            "sendto",
            passes="udp_sendmsg, net:net_dev_queue, net:netif_receive_skb, skb:kfree_skb",
        ),
        Workload("sched_yield", "sched_yield", passes="do_sched_yield"),
        Workload("file_write", "pwrite64", passes="vfs_write, shmem_file_write_iter"),
        Workload(
            "file_fsync",
            "fsync",
            (("pwrite64", 1), ("fsync", 1)),
            passes="vfs_write, shmem_file_write_iter, noop_fsync",
        ),
        Workload(
            "signal",
            "tgkill",
            (("tgkill", 1), ("rt_sigreturn", 1)),
            passes="signal:signal_generate, signal:signal_deliver, do_send_specific",
        ),
        Workload("page_fault", "madvise", also=("fault",), passes=_FAULT),
        Workload(
            "mmap_touch_munmap",
            "mmap",
            (("mmap", 1), ("munmap", 1)),
            passes=f"do_mmap, __vm_munmap, {_FAULT}",
        ),
        Workload(
            "mmap_file",
            "mmap",
            (("mmap", 1), ("munmap", 1)),
            passes="do_mmap, __vm_munmap",
        ),
        Workload(
            "futex_pingpong",
            "futex",
            (("futex", 4),),
            checked_calls=200,
            passes=f"do_futex 4, {_SWITCHES}",
        ),
        _request("pipe_pingpong", f"vfs_read 2, vfs_write 2, {_SWITCHES}", also=("switch",)),
        _request(
            "unix_request",
            "vfs_read 2, vfs_write 2, unix_stream_sendmsg 2, unix_stream_recvmsg 2,"
            f" sched:sched_switch ?, {_WAKES}, skb:consume_skb 2",
            also=("wakeup",),
        ),
        _request(
            "udp_request",
            "vfs_read 2, vfs_write 2, udp_sendmsg 2, udp_recvmsg 2, net:net_dev_queue 2,"
            f" net:netif_receive_skb 2, {_SWITCHES}, skb:consume_skb ?",
        ),
        _request(
            "tcp_request",
            "vfs_read 2, vfs_write 2, tcp_sendmsg 2, tcp_recvmsg 2, tcp_v4_rcv 2,"
            f" net:net_dev_queue 2, net:netif_receive_skb 2, {_SWITCHES}",
        ),
        Workload(
            "tcp_stream",
            "write",
            (("write", 1), ("recvfrom", 1)),
            checked_calls=200,
            passes="vfs_write, tcp_sendmsg, tcp_recvmsg, tcp_v4_rcv ?, net:net_dev_queue ?,"
            f" net:netif_receive_skb ?, skb:consume_skb ?, sched:sched_switch ?, {_WAKES}",
        ),
        Workload(
            "tcp_connect",
            "connect",
            also=("socket", "tcp"),
            system_calls=(("socket", 1), ("connect", 1), ("accept4", 1), ("close", 2)),
            checked_calls=100,
            passes="tcp_v4_connect, inet_csk_accept, security_socket_connect, tcp_v4_rcv 4,"
            " __fput 2, sock:inet_sock_set_state 6, tcp:tcp_destroy_sock 2, net:net_dev_queue 4,"
            " net:netif_receive_skb 4, skb:consume_skb",
        ),
        Workload(
            "timer",
            "timerfd_settime",
            (("timerfd_settime", 1), ("read", 1)),
            checked_calls=100,
            passes="timer:hrtimer_start, vfs_read, sched:sched_switch ?",
        ),
        Workload(
            "thread_create",
            "clone",
            (("clone", 1), ("exit", 1), ("futex", 1)),
            returns=2,
            checked_calls=100,
            passes=f"{_NEW_TASK}, do_futex 2",
        ),
        Workload(
            "fork_wait",
            "clone",
            (("clone", 1), ("exit_group", 1), ("wait4", 1)),
            returns=2,
            checked_calls=20,
            passes=f"{_NEW_PROCESS}, exceptions:page_fault_user ?, handle_mm_fault ?,",
        ),
        Workload(
            "exec",
            "execve",
            also=("exec",),
            system_calls=(("clone", 1), ("execve", 1), ("exit_group", 1), ("wait4", 1)),
            checked_calls=20,
            passes=f"{_NEW_PROCESS}, bprm_execve, load_elf_binary, security_bprm_check,"
            " security_file_open, __fput, do_mmap, sched:sched_process_exec, task:task_rename,"
            " exceptions:page_fault_user, handle_mm_fault 2",
        ),
        Workload(
            "getpgid",
            "getpgid",
            kind="security",
            security_hook="task_getpgid",
            passes="security_task_getpgid",
        ),
        Workload("function", None, kind="function", begins_with="nop"),
        Workload("function_nop5", None, kind="function", begins_with="nop5"),
        Workload("function_nop10", None, kind="function", begins_with="nop10"),
        Workload("function_push", None, kind="function", begins_with="push"),
        Workload("function_ret", None, kind="function", begins_with="ret"),
        Workload("usdt", None, kind="usdt", begins_with="nop"),
        Workload("udp_connect", None, kind="connect", also=("socket",)),
        Workload("packet", None, _PACKET, kind="packet"),
        Workload("packet_veth", None, _PACKET, kind="veth", shared=True),
        Workload("malloc_free", None, kind="function", shared=True),
    )
}

# A bystander's call, which is no workload by itself; and all that can be called.
GETPPID = Workload("getppid", syscall="getppid")
CALLABLE = {**WORKLOADS, GETPPID.name: GETPPID}

# The workloads of each kind that are measured by default.
STANDARD_WORKLOADS = (
    "getpid",
    "getpgid",
    *(name for name, workload in WORKLOADS.items() if workload.begins_with),
    "udp_connect",
    "packet",
    "packet_veth",
)

_NAMESPACE = "CAP_SYS_ADMIN and CAP_NET_ADMIN"
_REMEDIES = {
    "read": "give this process /dev/zero",
    "openat_close": "give this process /dev/null",
    **dict.fromkeys(
        ("sendto", "udp_connect", "udp_request", "tcp_request", "tcp_stream", "tcp_connect"),
        "bring the loopback interface up: ip link set lo up",
    ),
    "packet_veth": f"run as root, or with {_NAMESPACE}; on a kernel with CONFIG_VETH",
    "packet": f"run as root, or with {_NAMESPACE}: packets pass a network namespace of ours",
    "exec": "run as root, or with CAP_SYS_ADMIN: the program is in a tmpfs of its own",
}


def require(workload: Workload) -> None:
    """Call a workload once, to find out whether this machine allows it.

    Raises
    ------
    UnsupportedError
        The workload cannot be called; the error names the system call that failed.
    """
    try:
        _workload.run(workload.name, 1)
    except OSError as error:
        raise UnsupportedError(
            f"{workload.name} cannot be called: {error.strerror}",
            _REMEDIES.get(workload.name, "allow it in the process's seccomp filter"),
        ) from error
