"""Loaded program -> hook, as a context manager that always detaches.

A hook is held by file descriptors and nothing else: perf events and BPF links.  The
kernel drops it when they are closed, on whatever way out, SIGKILL included.  BCC's own
attach functions are not used, because they cannot re-attach a loaded program cheaply,
need tracefs mounted, and fall back to kprobe events that outlive the process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ebpf_overhead import clock, programs, targets
from ebpf_overhead.cases import Case, select
from ebpf_overhead.closing import Closing
from ebpf_overhead.errors import (
    MissingToolError,
    OverheadError,
    RefusedError,
    UnsupportedError,
)
from ebpf_overhead.hooks import kprobes, tracepoints, trampolines, uprobes
from ebpf_overhead.hooks.loaded import Loaded
from ebpf_overhead.programs import CompiledProgram, LoadedAs
from ebpf_overhead.rights import explain


@dataclass
class Probe(Closing):
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
    _loaded_as: LoadedAs | None = None
    _hook_fd: int | None = None

    @property
    def attached(self) -> bool:
        """Whether the program runs when the target is called."""
        return self._hook_fd is not None

    @property
    def others(self) -> Sequence[Probe]:
        """Programs that are attached beside it whenever it is: none."""
        return ()

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

    def load_again(self) -> int:
        """Load the program once more, as it is loaded, and return the descriptor."""
        assert self._loaded_as is not None
        return self.compiled.load_again(self._loaded_as)

    def load_anew(self) -> None:
        """Load the program again in place of the one there is, which must not be attached."""
        fresh_fd = self.load_again()
        os.dup2(fresh_fd, self.prog_fd, inheritable=False)
        os.close(fresh_fd)

    def switch(self, attached: bool) -> None:
        """Attach or detach the program.

        Where places matter it is loaded anew to be attached, in place of the one before: it
        lies elsewhere in memory then.

        Raises
        ------
        OverheadError
            The kernel refused it, with its reason.
        """
        if not attached:
            self.detach()
            return
        if clock.current().places_matter:
            self.detach()
            self.load_anew()
        self.attach()

    def close(self) -> None:
        """Detach and unload the program."""
        self.detach()
        prog_fd, self.prog_fd = self.prog_fd, -1
        if prog_fd >= 0:
            os.close(prog_fd)


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
    loaded = _LOADERS[case.attach.name](case, compiled)
    return Probe(case, compiled, *loaded, compiled.loaded_as)


_LOADERS: dict[str, Callable[[Case, CompiledProgram], Loaded]] = {
    "tracepoint": tracepoints.load_tracepoint,
    "tracepoint_exit": tracepoints.load_tracepoint,
    "raw_syscalls": tracepoints.load_raw_syscalls,
    "raw_tracepoint": tracepoints.load_raw_tracepoint,
    "raw_tracepoint_exit": tracepoints.load_raw_tracepoint,
    "tp_btf": tracepoints.load_tp_btf,
    "tp_btf_exit": tracepoints.load_tp_btf,
    "fentry": trampolines.load_tracing,
    "fexit": trampolines.load_tracing,
    "fmod_ret": trampolines.load_tracing,
    "lsm": trampolines.load_lsm,
    "kprobe": kprobes.load_kprobe,
    "kprobe_offset": kprobes.load_kprobe_offset,
    "kretprobe": kprobes.load_kretprobe,
    "kprobe_multi": kprobes.load_kprobe_multi,
    "kretprobe_multi": kprobes.load_kprobe_multi,
    "kprobe_session": kprobes.load_kprobe_multi,
    "uprobe": uprobes.load_uprobe,
    "uretprobe": uprobes.load_uprobe,
    "uprobe_multi": uprobes.load_uprobe_multi,
    "uretprobe_multi": uprobes.load_uprobe_multi,
    "uprobe_session": uprobes.load_uprobe_multi,
    "usdt": uprobes.load_uprobe,
}


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
    """Find out by trying whether an attach type works: load, attach and detach once.

    On the first of its targets.
    """
    case = select([attach_type], ["empty"])[0]
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
