"""A guest: one virtual machine booted on one kernel, which runs commands of the host's files."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from ebpf_overhead.errors import BadUseError, FailedError, UnsupportedError
from ebpf_overhead.guest import accel as acceleration
from ebpf_overhead.guest import command, image, initrd, interpreter, layout, modules
from ebpf_overhead.guest.console import tail
from ebpf_overhead.guest.errors import GuestBootError, GuestLostError
from ebpf_overhead.guest.qemu import Qemu, find_qemu, qemu_version
from ebpf_overhead.guest.rundir import RunDirectory
from ebpf_overhead.guest.session import CompletedRun, ConnectionLostError, OnOutput, Session

# Far above what a boot takes (5 to 15 s, emulated, on a machine with nothing else to do).
BOOT_TIMEOUT_S = 120.0


class KernelFiles(Protocol):
    """What a guest needs to know of a kernel."""

    @property
    def release(self) -> str:
        """As ``uname -r`` prints it."""

    @property
    def arch(self) -> str:
        """As ``uname -m`` prints it."""

    @property
    def image(self) -> Path | None:
        """The kernel image."""

    @property
    def modules(self) -> Path | None:
        """The directory with ``lib/modules/<release>``."""


class Guest:
    """A virtual machine, from `start` to `stop`; also a context manager.

    Parameters
    ----------
    kernel : KernelFiles
        What it boots.
    clock : {"icount", "wall", "auto"}, optional
        What its time means; ``auto`` is ``wall`` where hardware virtualisation works.
    accel : {"auto", "tcg", "kvm"}, optional
        What executes it.
    share : Path, optional
        The one directory the guest may write to, at the same path there; one of its own,
        which goes with the guest, by default.
    memory_mib : int, optional
        Its memory in MiB.
    log : callable, optional
        Told in a line what is noteworthy.
    python : str, optional
        The interpreter that is kept warm.
    preload : sequence of str, optional
        What it imports (``module``) or imports and calls (``module:function``) before
        commands are forked from it.
    shown : sequence of Path, optional
        Files of the host to be seen in the guest though they lie in a directory that is the
        guest's own, ``/tmp`` say.
    boot_timeout_s : float, optional
        How long a boot may take, in the host's seconds.

    Attributes
    ----------
    share : Path
        The writable directory; there from `start` on if it is the guest's own.
    boot_seconds : float
        From `start` until the agent answered, in the host's seconds.
    """

    def __init__(
        self,
        kernel: KernelFiles,
        *,
        clock: acceleration.ClockWish = "icount",
        accel: acceleration.AcceleratorWish = "auto",
        share: Path | None = None,
        memory_mib: int = 1024,
        log: Callable[[str], None] | None = None,
        python: str = sys.executable,
        preload: Sequence[str] = (),
        shown: Sequence[Path] = (),
        boot_timeout_s: float = BOOT_TIMEOUT_S,
    ) -> None:
        self.kernel = kernel
        self.boot_seconds = 0.0
        self._wish = (clock, accel)
        self._own_share = share is None
        self._share = None if share is None else share.resolve()
        self._memory_mib = memory_mib
        self._log = log or (lambda line: None)
        self._python = python
        self._preload = list(preload)
        self._shown = list(shown)
        self._boot_timeout_s = boot_timeout_s
        self._choice: acceleration.Choice | None = None
        self._run_directory: RunDirectory | None = None
        self._qemu: Qemu | None = None
        self._life: socket.socket | None = None
        self._finalizer: weakref.finalize[..., Guest] | None = None

    def __enter__(self) -> Guest:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # What it is.

    @property
    def choice(self) -> acceleration.Choice:
        """Clock and accelerator; the first time, this may take a trial boot.

        Raises
        ------
        BadUseError, UnsupportedError
            As `ebpf_overhead.guest.accel.choose`.
        """
        if self._choice is None:
            clock, accel = self._wish
            self._choice = acceleration.choose(clock, accel, self._trial, self._log)
        return self._choice

    @property
    def description(self) -> dict[str, Any]:
        """What the results depend on besides the kernel: to be kept with each of them."""
        choice = self.choice
        return {
            "clock": choice.clock,
            "accel": choice.accel,
            "cpu_model": command.cpu_model(choice.accel),
            "qemu_version": command.dotted(qemu_version(find_qemu(self.kernel.arch))),
            "kernel_command_line": command.kernel_command_line(choice.clock),
            "memory_mib": self._memory_mib,
        }

    @property
    def share(self) -> Path:
        """The directory the guest may write to, at the same path on both sides."""
        if self._share is None:
            raise BadUseError("the guest has no share before it is started")
        return self._share

    @property
    def socket_path(self) -> Path:
        """The socket of the command port, for `Session` and `ebpf_overhead.guest.client`."""
        return self._directory / "command.socket"

    @property
    def console_path(self) -> Path:
        """The file with the kernel's messages so far."""
        return self._directory / "console.log"

    @property
    def pid(self) -> int | None:
        """QEMU's process id; None when there is none."""
        return self._qemu.pid if self._qemu is not None else None

    @property
    def alive(self) -> bool:
        """Whether QEMU runs."""
        return self._qemu is not None and self._qemu.exit_status is None

    # Its life.

    def start(self) -> None:
        """Boot, and wait until the guest takes commands.

        Raises
        ------
        GuestBootError
            When it does not come up; the end of the boot log is in the error.
        FailedError
            When something to preload cannot be imported in the guest.
        MissingToolError, UnsupportedError
            When QEMU or busybox is missing, or the kernel cannot be a guest's.
        """
        if self.alive:
            raise BadUseError("the guest has been started already")
        self.stop()  # What is left of one that was lost.
        began_s = time.monotonic()
        choice = self.choice
        self._run_directory = RunDirectory()
        try:
            self._boot(choice)
        except BaseException as error:
            if isinstance(error, GuestBootError) and error.log:
                self._log(error.log)
            self.stop()
            raise
        self.boot_seconds = time.monotonic() - began_s

    def stop(self) -> None:
        """End the guest and remove what it had; may be called at any time and again."""
        if self._finalizer is not None:
            self._finalizer.detach()
            self._finalizer = None
        _clean_up(os.getpid(), self._qemu, self._life, self._run_directory)
        self._qemu = self._life = self._run_directory = None
        if self._own_share:
            self._share = None

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        on_output: OnOutput | None = None,
    ) -> CompletedRun:
        """Run a command in the guest, to its end.

        A command that begins with the guest's Python interpreter is forked from the warm
        process; every other one is executed.  What it leaves running is killed.

        Parameters
        ----------
        argv : sequence of str
            The program and its arguments.
        cwd : path, optional
            Working directory, ``/`` by default.
        env : mapping, optional
            Added to the guest's own environment.
        timeout : float, optional
            Seconds, of the host's time, after which it is killed.
        on_output : callable, optional
            Called with ``"stdout"`` or ``"stderr"`` and the bytes, as they come.

        Returns
        -------
        CompletedRun
            Whatever its exit status; 127 when there is no such program.

        Raises
        ------
        GuestTimeoutError
            When the time was up; the guest can be used further.
        GuestLostError
            When the guest is gone; `start` boots it anew.
        """
        with self.session() as session:
            return session.run(
                argv, cwd=os.fspath(cwd or "/"), env=env, timeout=timeout, on_output=on_output
            )

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Connect to the guest, which serves one connection at a time.

        Raises
        ------
        GuestLostError
            When the guest is gone or does not answer, now or in the body of the ``with``.
        """
        if self._qemu is None:
            raise BadUseError("the guest has not been started, or was lost")
        try:
            with Session(self.socket_path, still_there=lambda: self.alive) as session:
                yield session
        except ConnectionLostError as error:
            raise self._lost(str(error)) from None

    # How.

    @property
    def _directory(self) -> Path:
        if self._run_directory is None:
            raise BadUseError("the guest has not been started, or was lost")
        return self._run_directory.path

    def _boot(self, choice: acceleration.Choice) -> None:
        files = self._prepare()
        ours, theirs = socket.socketpair()
        with theirs:
            arguments = command.qemu_command(
                find_qemu(self.kernel.arch),
                qemu_version(find_qemu(self.kernel.arch)),
                clock=choice.clock,
                accel=choice.accel,
                memory_mib=self._memory_mib,
                files=files(theirs.fileno()),
            )
            self._life = ours
            messages = self._directory / "qemu.log"
            self._qemu = Qemu(arguments, messages, [theirs.fileno()])
        # Also when nobody calls `stop` before the interpreter ends.
        self._finalizer = weakref.finalize(
            self, _clean_up, os.getpid(), self._qemu, ours, self._run_directory
        )
        self._await_agent()

    def _prepare(self) -> Callable[[int], command.Files]:
        # Everything QEMU is given; what is missing is the descriptor of the life port.
        directory = self._directory
        if self.kernel.image is None:
            raise UnsupportedError(
                f"kernel {self.kernel.release} has no image to boot", "add one that has"
            )
        if self._share is None:
            self._share = directory / "share"
            self._share.mkdir()
        elif not self._share.is_dir():
            raise BadUseError(f"{self._share}, to be shared with the guest, is no directory")
        kernel = image.bootable(self.kernel.image, directory)
        archive = directory / "initrd"
        archive.write_bytes(self._initrd(self._share))
        return lambda life: command.Files(
            kernel=kernel,
            initrd=archive,
            share=self.share,
            console=self.console_path,
            command_socket=self.socket_path,
            life_descriptor=life,
        )

    def _initrd(self, share: Path) -> bytes:
        warm = interpreter.inspect(self._python)
        interpreter.compile_sources()
        tree = modules.module_tree(self.kernel.modules, self.kernel.release)
        needed = [*warm.needed, *([tree] if tree else [])]
        configuration = {
            "command_port": command.COMMAND_PORT,
            "life_port": command.LIFE_PORT,
            "python": list(warm.names),
            "environment": _environment(self.choice.clock),
            "preload": self._preload,
        }
        return initrd.build(
            self.kernel.release,
            modules.needed_modules(tree),
            layout.plan(needed + _working_directory() + self._shown),
            share,
            warm.init_command,
            json.dumps(configuration).encode(),
            tree,
        )

    def _await_agent(self) -> None:
        try:
            with Session(
                self.socket_path, self._boot_timeout_s, still_there=lambda: self.alive
            ) as session:
                facts = session.facts
        except ConnectionLostError:
            raise self._boot_error() from None
        if failures := facts["preload_failures"]:
            entry, reason = next(iter(failures.items()))
            raise FailedError(f"{entry} cannot be preloaded in the guest: {reason}")
        if facts["release"] != self.kernel.release:
            raise FailedError(
                f"the image of kernel {self.kernel.release} is in truth {facts['release']}",
                "add the kernel again",
            )

    def _boot_error(self) -> GuestBootError:
        ended = not self.alive
        what = "QEMU ended" if ended else f"nothing answered within {self._boot_timeout_s:g} s"
        log = tail(self.console_path, self._directory / "qemu.log")
        return GuestBootError(
            f"kernel {self.kernel.release} did not come up in a guest: {what}"
            + (f" ({last})" if (last := log.reason) else ""),
            "the boot log is above" if log.text else "",
            log.text,
        )

    def _lost(self, why: str) -> GuestLostError:
        if self._qemu is not None:
            self._qemu.wait(1.0)  # A hang-up comes a moment before the end.
        log = tail(self.console_path, self._directory / "qemu.log")
        error = GuestLostError(
            f"the guest with kernel {self.kernel.release} is lost: {log.reason or why}",
            "",
            log.text,
        )
        self.stop()
        return error

    def _trial(self) -> str:
        version = qemu_version(find_qemu(self.kernel.arch))
        if self.kernel.image is None:
            return "the kernel has no image"
        key = acceleration.trial_key(self.kernel.release, self.kernel.image, version)
        memory = acceleration.Memory()
        failure = memory.recall(key)
        if failure is None:
            failure = self._try_kvm()
            memory.keep(key, failure)
        return failure

    def _try_kvm(self) -> str:
        trial = Guest(self.kernel, clock="wall", accel="kvm", boot_timeout_s=acceleration.TRIAL_S)
        try:
            trial.start()
        except GuestBootError as error:
            return error.what
        finally:
            trial.stop()
        return ""


def _working_directory() -> list[Path]:
    # So that a command can be run where the user is.  A scratch directory itself is not
    # asked for: it would have to stay read-only.
    try:
        here = Path.cwd()
    except FileNotFoundError:
        return []
    return [] if str(here.resolve()) in layout.SCRATCH else [here]


def _environment(clock: command.Clock) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "TMPDIR": "/tmp",
        # Without it, dictionaries and sets of strings differ from boot to boot by 0.3 %.
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        # What time means here, for whoever measures in the guest.
        "EBPF_OVERHEAD_CLOCK": clock,
    }


def _clean_up(
    owner: int, qemu: Qemu | None, life: socket.socket | None, directory: RunDirectory | None
) -> None:
    if os.getpid() != owner:
        return  # A forked copy of the process the guest belongs to.
    if qemu is not None:
        qemu.end()
    if life is not None:
        life.close()
    if directory is not None:
        directory.remove()
