"""Loaded program -> hook, as a context manager that always detaches.

A hook is held by file descriptors and nothing else: perf events and BPF links.  The
kernel drops it when they are closed, on whatever way out, SIGKILL included.  BCC's own
attach functions are not used, because they cannot re-attach a loaded program cheaply,
need tracefs mounted, and fall back to kprobe events that outlive the process.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from ebpf_overhead import bpf, btf, programs, pseudofs, targets
from ebpf_overhead.cases import Case, Target, select
from ebpf_overhead.errors import (
    MissingToolError,
    OverheadError,
    RefusedError,
    UnsupportedError,
)
from ebpf_overhead.programs import CompiledProgram
from ebpf_overhead.rights import explain

_KPROBE_PMU = Path("/sys/bus/event_source/devices/kprobe/type")

# The name of a system call's entry function carries the architecture's prefix.
_SYSCALL_PREFIXES = {
    "x86_64": "__x64_sys_",
    "aarch64": "__arm64_sys_",
    "riscv64": "__riscv_sys_",
    "s390x": "__s390x_sys_",
}


@dataclass
class Probe:
    """A program loaded for an attach type; attached and detached at will.

    Used as a context manager it detaches and unloads on the way out.

    Attributes
    ----------
    case : Case
        What it is.
    compiled : CompiledProgram
        The program with its maps.
    prog_fd : int
        Descriptor of the loaded program.
    hook : str
        What it is attached to, found by trying.
    """

    case: Case
    compiled: CompiledProgram
    prog_fd: int
    hook: str
    _open_hook: Callable[[], int]
    _hook_fd: int | None = None

    @property
    def attached(self) -> bool:
        """Whether the program runs when the target is called."""
        return self._hook_fd is not None

    def attach(self) -> None:
        """Attach the program; does nothing if it is attached.

        Raises
        ------
        OverheadError
            The kernel refused it, with its reason.
        """
        if self._hook_fd is None:
            try:
                self._hook_fd = self._open_hook()
            except OSError as error:
                raise explain(error, "attach", self.case.attach.name) from error

    def detach(self) -> None:
        """Detach the program; does nothing if it is not attached."""
        hook_fd, self._hook_fd = self._hook_fd, None
        if hook_fd is not None:
            os.close(hook_fd)

    def close(self) -> None:
        """Detach and unload the program."""
        self.detach()
        prog_fd, self.prog_fd = self.prog_fd, -1
        if prog_fd >= 0:
            os.close(prog_fd)

    def __enter__(self) -> Probe:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def load(case: Case, compiled: CompiledProgram | None = None) -> Probe:
    """Load a case's program so that it can be attached.

    Parameters
    ----------
    case : Case
        Target, attach type and program.
    compiled : CompiledProgram, optional
        Its compiled program; the shipped one of that name by default.

    Returns
    -------
    Probe
        Loaded, not attached.

    Raises
    ------
    UnsupportedError
        This kernel does not have the hook or does not load the program, or the target cannot
        be called here.
    RefusedError
        Rights are missing.
    FailedError
        The program does not compile or verify.
    """
    targets.require(case.target)
    if compiled is None:
        compiled = programs.compiled(case.program)
    prog_fd, hook, open_hook = _LOADERS[case.attach.name](case, compiled)
    return Probe(case, compiled, prog_fd, hook, open_hook)


_Loaded = tuple[int, str, Callable[[], int]]


def _load_tracepoint(case: Case, compiled: CompiledProgram) -> _Loaded:
    event = f"sys_enter_{case.target.syscall}"
    event_id = _tracepoint_id(event)
    prog_fd = compiled.load(bpf.ProgType.TRACEPOINT, case.attach.name)
    return prog_fd, f"syscalls:{event}", lambda: _perf_hook(bpf.perf_tracepoint(event_id), prog_fd)


def _load_raw_tracepoint(case: Case, compiled: CompiledProgram) -> _Loaded:
    prog_fd = compiled.load(bpf.ProgType.RAW_TRACEPOINT, case.attach.name)
    return prog_fd, "sys_enter", lambda: bpf.raw_tracepoint_open(prog_fd, "sys_enter")


def _load_tp_btf(case: Case, compiled: CompiledProgram) -> _Loaded:
    btf_id = btf.find_id("sys_enter", bpf.TraceAttachType.RAW_TP)
    if btf_id is None:
        raise UnsupportedError("tracepoint sys_enter not in the kernel's BTF")
    prog_fd = compiled.load_tracing(bpf.TraceAttachType.RAW_TP, btf_id, case.attach.name)
    return prog_fd, "sys_enter", lambda: bpf.raw_tracepoint_open(prog_fd, None)


def _load_fentry(case: Case, compiled: CompiledProgram) -> _Loaded:
    def attempt(symbol: str) -> _Loaded:
        btf_id = btf.find_id(symbol, bpf.TraceAttachType.FENTRY)
        if btf_id is None:
            raise UnsupportedError(f"{symbol} not in the kernel's BTF")

        def load_program() -> int:
            return compiled.load_tracing(bpf.TraceAttachType.FENTRY, btf_id, case.attach.name)

        prog_fd = load_program()
        return prog_fd, symbol, lambda: _trampoline_hook(prog_fd, load_program)

    return _first_that_attaches(case.target, attempt)


def _load_kprobe(case: Case, compiled: CompiledProgram) -> _Loaded:
    try:
        pmu_type = int(_KPROBE_PMU.read_text())
    except OSError:
        raise UnsupportedError(
            f"kprobe events absent ({_KPROBE_PMU} not found): CONFIG_KPROBES off",
            "use a kernel with CONFIG_KPROBE_EVENTS=y",
        ) from None

    def attempt(symbol: str) -> _Loaded:
        prog_fd = compiled.load(bpf.ProgType.KPROBE, case.attach.name)
        return prog_fd, symbol, lambda: _perf_hook(bpf.perf_kprobe(pmu_type, symbol), prog_fd)

    return _first_that_attaches(case.target, attempt)


_LOADERS: dict[str, Callable[[Case, CompiledProgram], _Loaded]] = {
    "tracepoint": _load_tracepoint,
    "raw_tracepoint": _load_raw_tracepoint,
    "tp_btf": _load_tp_btf,
    "fentry": _load_fentry,
    "kprobe": _load_kprobe,
}


def _first_that_attaches(target: Target, attempt: Callable[[str], _Loaded]) -> _Loaded:
    """Return the first symbol of the target that the kernel lets a program attach to.

    The kernel's first reason that is not a missing name is the one reported.
    """
    reason: OverheadError | None = None
    for symbol in entry_symbols(target):
        try:
            prog_fd, hook, open_hook = attempt(symbol)
        except OverheadError as error:
            reason = _better_reason(reason, error)
            continue
        try:
            os.close(open_hook())
            return prog_fd, hook, open_hook
        except OSError as error:
            os.close(prog_fd)
            reason = _better_reason(reason, explain(error, "attach", symbol))
    assert reason is not None  # there is always at least one candidate
    raise reason


def _better_reason(old: OverheadError | None, new: OverheadError) -> OverheadError:
    return new if old is None or "not in the kernel's BTF" in old.what else old


def entry_symbols(target: Target) -> Iterator[str]:
    """Yield the names under which a system call's entry may be found, best first.

    Which of them exists, and which is in BTF, differs by kernel and architecture.
    """
    yield f"__do_sys_{target.syscall}"
    prefix = _SYSCALL_PREFIXES.get(platform.machine())
    if prefix:
        yield f"{prefix}{target.syscall}"
    yield f"__se_sys_{target.syscall}"
    yield f"sys_{target.syscall}"


def _trampoline_hook(prog_fd: int, load_program: Callable[[], int]) -> int:
    """Attach a tracing program to the function it was loaded for.

    Before Linux 5.13 ("bpf: Allow trampoline re-attach for tracing and lsm programs") that
    works once in a program's life and is ENOENT from then on.  There the program is
    loaded anew, under the descriptor it has.
    """
    try:
        return bpf.raw_tracepoint_open(prog_fd, None)
    except FileNotFoundError:
        fresh_fd = load_program()
        os.dup2(fresh_fd, prog_fd, inheritable=False)
        os.close(fresh_fd)
        return bpf.raw_tracepoint_open(prog_fd, None)


def _perf_hook(event_fd: int, prog_fd: int) -> int:
    try:
        bpf.perf_attach(event_fd, prog_fd)
    except OSError:
        os.close(event_fd)
        raise
    return event_fd


def _tracepoint_id(event: str) -> int:
    """Return the number by which perf knows a system call's tracepoint."""
    path = f"events/syscalls/{event}/id"
    try:
        return int(pseudofs.read_text("tracefs", path))
    except PermissionError as error:
        raise RefusedError(
            f"tracefs cannot be read: {error}", "run as root or grant CAP_SYS_ADMIN"
        ) from error
    except OSError as error:
        raise UnsupportedError(
            f"tracepoint syscalls:{event} absent: {error}",
            "use a kernel with CONFIG_FTRACE_SYSCALLS=y",
        ) from error


@dataclass(frozen=True)
class Support:
    """Whether an attach type can be measured here.

    Attributes
    ----------
    status : str
        ``available``, ``unsupported``, ``refused`` or ``failed``.
    reason, remedy : str or None
        Why not, and what would help.
    hook : str or None
        What the program was attached to.
    """

    status: str
    reason: str | None = None
    remedy: str | None = None
    hook: str | None = None


def try_attach(attach_type: str) -> Support:
    """Find out by trying whether an attach type works: load, attach and detach once."""
    (case,) = select([attach_type], ["empty"])
    try:
        with load(case) as probe:
            probe.attach()
            return Support("available", hook=probe.hook)
    except OverheadError as error:
        return Support(status_of(error), error.what, error.remedy or None)


def status_of(error: OverheadError) -> str:
    """Return the word for an error in results: unsupported, refused or failed."""
    if isinstance(error, RefusedError):
        return "refused"
    if isinstance(error, (UnsupportedError, MissingToolError)):
        return "unsupported"
    return "failed"
