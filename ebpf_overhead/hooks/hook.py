"""Loaded program + attach point -> hook, as a context manager that always detaches.

A hook is held by file descriptors and nothing else: perf events and BPF links.  The
kernel drops it when they are closed, on whatever way out, SIGKILL included.  BCC's own
attach functions are not used, because they cannot re-attach a loaded program cheaply,
need tracefs mounted, and fall back to kprobe events that outlive the process.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import NamedTuple

from ebpf_overhead.bpf.privileges import explain
from ebpf_overhead.closing import Closing
from ebpf_overhead.errors import UnsupportedError
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.hooks.attach_type import AttachType
from ebpf_overhead.hooks.letting_go import let_go
from ebpf_overhead.programs.loaded import LoadedAs, LoadedProgram
from ebpf_overhead.workload import clock

# Loads a program for a hook; the text names the hook in messages.
Load = Callable[[LoadedAs, str], LoadedProgram]


class Site(NamedTuple):
    """Where a program is hooked, and how.

    Attributes
    ----------
    attach_type : AttachType
        How.
    point : AttachPoint
        Where.
    """

    attach_type: AttachType
    point: AttachPoint

    def __str__(self) -> str:
        return f"{self.attach_type.name}:{self.point}"


class Attachable(Closing):
    """What is attached and detached at will: a hook, or a group of them."""

    @property
    @abstractmethod
    def attached(self) -> bool:
        """Whether the program that is measured runs when the point is passed."""

    @abstractmethod
    def attach(self) -> None:
        """Attach it; does nothing if it is attached.

        Raises
        ------
        OverheadError
            The kernel refused it, with its reason.
        """

    @abstractmethod
    def detach(self) -> None:
        """Detach it; does nothing if it is not attached."""

    @abstractmethod
    def let_go(self) -> None:
        """Detach it, and do not wait until the kernel has cleaned up."""

    @abstractmethod
    def reload(self) -> None:
        """Load again, in place of what is loaded, what must not be attached."""

    def switch(self, attached: bool) -> None:
        """Attach or detach it, without waiting for the kernel to clean up.

        Where the clock is layout-sensitive it is reloaded to be attached: it lies elsewhere in
        memory then.

        Raises
        ------
        OverheadError
            The kernel refused it, with its reason.
        """
        timed = clock.current().layout_sensitive
        if not attached or timed:
            self.let_go() if timed else self.detach()
        if attached:
            if timed:
                self.reload()
            self.attach()


class Hook(Attachable):
    """A program loaded for a site; attached and detached at will.

    Used as a context manager it detaches and unloads on the way out.

    Parameters
    ----------
    site : Site
        Where it is hooked, and how.
    load : callable
        Loads the program.

    Attributes
    ----------
    site : Site
        Where it is hooked, and how.
    program : LoadedProgram
        The program; another one after :meth:`reload`.

    Raises
    ------
    OverheadError
        The kernel lacks the point, or refused the program.
    """

    def __init__(self, site: Site, load: Load) -> None:
        self.site = site
        self._load = load
        self._hook_fd: int | None = None
        attach_type, point = site
        number = attach_type.find(point)
        loaded_as = LoadedAs(attach_type.prog_type, attach_type.expected, number, attach_type.flags)
        self.program = load(loaded_as, self._label)

    @property
    def _label(self) -> str:
        """What messages call the hook."""
        return str(self.site)

    @property
    def attached(self) -> bool:
        """Whether the program runs when the point is passed."""
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
                self._hook_fd = self._open()
            except FileNotFoundError as error:
                missing = f"no {self.site.point} is here, or nothing can be attached there"
                raise UnsupportedError(
                    f"ENOENT at attach: {self._label} refused: {missing}"
                ) from error
            except OSError as error:
                also = self.site.attach_type.capability
                raise explain(error, "attach", self._label, also) from error

    def _open(self) -> int:
        attach_type, point = self.site
        at_return = attach_type.moment == "return"
        try:
            return attach_type.open(self.program, point, at_return)
        except FileNotFoundError:
            # Before Linux 5.13 ("bpf: Allow trampoline re-attach for tracing and lsm programs")
            # that works once in a program's life and is ENOENT from then on.
            if not attach_type.by_btf:
                raise
            self.reload()
            return attach_type.open(self.program, point, at_return)

    def detach(self) -> None:
        """Detach the program; does nothing if it is not attached."""
        hook_fd, self._hook_fd = self._hook_fd, None
        if hook_fd is not None:
            self.site.attach_type.close(hook_fd, self.site.point)

    def let_go(self) -> None:
        """Detach the program, and return as soon as nothing runs it any more."""
        if not self.site.attach_type.gone_first:
            self.detach()
            return
        hook_fd, self._hook_fd = self._hook_fd, None
        if hook_fd is not None:
            let_go(hook_fd)

    def load_again(self) -> LoadedProgram:
        """Load the program once more, as it is loaded."""
        return self._load(self.program.loaded_as, self._label)

    def reload(self) -> None:
        """Load the program again in place of the one there is, which must not be attached."""
        fresh = self.load_again()
        self.program.close()
        self.program = fresh

    def close(self) -> None:
        """Detach and unload the program."""
        self.detach()
        self.program.close()


def attach(site: Site, load: Load) -> Hook:
    """Load a program, attach it, and return the hook.

    Raises
    ------
    OverheadError
        The kernel lacks the point or refused the program; nothing stays behind.
    """
    hook = Hook(site, load)
    try:
        hook.attach()
    except BaseException:
        hook.close()
        raise
    return hook
