"""A guest: one virtual machine booted on one kernel, which runs commands of the host's files."""

from __future__ import annotations

import os
import socket
import sys
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from ebpf_overhead import architectures
from ebpf_overhead.errors import BadUseError, FailedError, UnsupportedError
from ebpf_overhead.guest import accel as acceleration
from ebpf_overhead.guest import command, interpreter, variants
from ebpf_overhead.guest.console import Tail, tail
from ebpf_overhead.guest.debugger import Debugger
from ebpf_overhead.guest.errors import GuestBootError, GuestLostError
from ebpf_overhead.guest.launch import (
    COMMAND_SOCKET,
    CONSOLE_LOG,
    QEMU_LOG,
    Launch,
    prepare,
)
from ebpf_overhead.guest.origin import KernelFiles, Setting
from ebpf_overhead.guest.qemu import Qemu, find_qemu, inspect, qemu_version
from ebpf_overhead.guest.rundir import RunDirectory
from ebpf_overhead.guest.session import CompletedRun, OnOutput, Session
from ebpf_overhead.guest.variants import USUAL, Variant
from ebpf_overhead.guest.view import View
from ebpf_overhead.guest.waiting import ConnectionLostError

# Far above what a boot takes (5 to 20 s).
BOOT_TIMEOUT_S = 120.0
# Imported unless something else is asked for, so that one saved state serves for most.
PRELOAD = ("ebpf_overhead.studies.cases_run",)
# How many times as long an emulated boot may take by the clock, on processors it shares.
_PATIENCE = 5


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
    variant : Variant, optional
        What it has that others do not.
    restore : bool, optional
        Whether it may be restored from the saved state of one that was booted before; else it
        is booted.
    log : callable, optional
        Told in a line what is noteworthy.
    python : str, optional
        The interpreter that is kept warm.
    preload : sequence of str, optional
        What it imports (``module``) or imports and calls (``module:function``) before
        commands are forked from it; by default, what measures.  It sees only the files then
        that importing takes.
    shown : sequence of Path, optional
        Directories and files of the host to be seen in the guest, besides the system's programs
        and libraries, the interpreter with its packages, and this project.
    boot_timeout_s : float, optional
        How much of the host's processor time a boot may take, in seconds.

    Attributes
    ----------
    share : Path
        The writable directory; there from `start` on if it is the guest's own.
    view : View
        What it sees of the host.
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
        variant: Variant = USUAL,
        restore: bool = True,
        log: Callable[[str], None] | None = None,
        python: str = sys.executable,
        preload: Sequence[str] = PRELOAD,
        shown: Sequence[Path] = (),
        boot_timeout_s: float = BOOT_TIMEOUT_S,
    ) -> None:
        self.kernel = kernel
        self._architecture = architectures.of(kernel.arch)
        self.boot_seconds = 0.0
        self._wish = (clock, accel)
        self._memory_mib = memory_mib
        self._variant = variant
        self._restore = restore
        self._log = log or (lambda line: None)
        self._share = None if share is None else share.resolve()
        self._python = python
        self._preload = tuple(preload)
        self._shown = tuple(path.absolute() for path in shown)
        self._boot_timeout_s = boot_timeout_s
        self._choice: acceleration.Choice | None = None
        self._run_directory: RunDirectory | None = None
        self._qemu: Qemu | None = None
        self._launch: Launch | None = None
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
            if accel == "kvm" and (why := self._foreign()):
                raise UnsupportedError(why, "take --accel tcg, which emulates it")
            self._choice = acceleration.choose(clock, accel, self._trial, self._log)
        return self._choice

    @property
    def description(self) -> dict[str, Any]:
        """What the results depend on besides the kernel: to be kept with each of them."""
        choice, variant = self.choice, self._variant
        return {
            "clock": choice.clock,
            "accel": choice.accel,
            "cpu_model": command.cpu_model(self._architecture, choice.accel, variant),
            "qemu_version": command.dotted(qemu_version(find_qemu(self._architecture))),
            "kernel_command_line": command.kernel_command_line(
                self._architecture, choice.clock, variant
            ),
            "memory_mib": self._memory_mib,
            **({"variant": str(variant)} if variant != USUAL else {}),
        }

    @property
    def share(self) -> Path:
        """The directory the guest may write to, at the same path on both sides."""
        share = self._launch.share if self._launch is not None else self._share
        if share is None:
            raise BadUseError("the guest has no share before it is started")
        return share

    @property
    def view(self) -> View:
        """What of the host the started guest sees, besides the share.

        Raises
        ------
        BadUseError
            When it has not been started.
        """
        if self._launch is None:
            raise BadUseError("the guest has not been started, or was lost")
        return self._launch.view

    @property
    def socket_path(self) -> Path:
        """The socket of the command port, for `Session` and `ebpf_overhead.guest.client`."""
        return self._directory / COMMAND_SOCKET

    @property
    def console_path(self) -> Path:
        """The file with the kernel's messages so far."""
        return self._directory / CONSOLE_LOG

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
        """Boot or restore it, and wait until the guest takes commands.

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
        interpreter.compile_sources()
        try:
            while not self._come_up(choice):
                self._log(f"a saved state of {self.kernel.release} is of no use; booting")
                self.stop()
        except BaseException as error:
            if isinstance(error, GuestBootError) and error.log:
                self._log(error.log)
            self.stop()
            raise
        self.boot_seconds = time.monotonic() - began_s
        if left_out := variants.not_emulated(_text(self._directory / QEMU_LOG)):
            cpu = command.cpu_model(self._architecture, choice.accel, self._variant)
            self._log(f"QEMU does not emulate, of CPU {cpu}: {', '.join(left_out)}")

    def stop(self) -> None:
        """End the guest and remove what it had; may be called at any time and again."""
        if self._finalizer is not None:
            self._finalizer.detach()
            self._finalizer = None
        _clean_up(os.getpid(), self._qemu, self._launch, self._run_directory)
        self._qemu = self._launch = self._run_directory = None

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        on_output: OnOutput | None = None,
        last_words_s: float = 0.0,
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
        last_words_s : float, optional
            Seconds that it has to end by itself when Ctrl-C interrupts this process.

        Returns
        -------
        CompletedRun
            Whatever its exit status; 127 when there is no such program.

        Raises
        ------
        GuestTimeoutError
            When the time was up; the guest can be used further.
        GuestLostError
            When the guest is gone; `start` boots it again.
        """
        with self.session() as session:
            return session.run(
                argv,
                cwd=os.fspath(cwd or "/"),
                env=env,
                timeout=timeout,
                on_output=on_output,
                last_words_s=last_words_s,
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
            qemu = self._qemu
            with Session(
                self.socket_path,
                still_there=lambda: self.alive,
                processor_s=lambda: qemu.processor_s,
            ) as session:
                yield session
        except ConnectionLostError as error:
            raise self._lost(str(error)) from None

    @contextmanager
    def debugger(self) -> Iterator[Debugger]:
        """Stop the guest to be stepped through; it runs on when the block ends.

        Raises
        ------
        FailedError
            QEMU does not do it, and says why.
        """
        if self._launch is None:
            raise BadUseError("the guest has not been started, or was lost")
        monitor = self._launch.monitor
        ours, theirs = socket.socketpair()
        with Debugger(ours) as debugger:
            with theirs:
                monitor.attach_debugger(theirs.fileno())
            try:
                yield debugger
            finally:
                monitor.detach_debugger()

    # How.

    @property
    def _directory(self) -> Path:
        if self._run_directory is None:
            raise BadUseError("the guest has not been started, or was lost")
        return self._run_directory.path

    def _come_up(self, choice: acceleration.Choice) -> bool:
        """Bring the guest up; return False when a saved state turns out to be of no use."""
        self._run_directory = RunDirectory()
        setting = Setting(
            *(self.kernel, choice.clock, self._python, self._preload, self._shown, self._share),
            *(self._memory_mib, choice.accel, self._restore, self._variant, self._log),
        )
        program = inspect(find_qemu(self._architecture))
        with prepare(setting, self._directory, program) as launch:
            self._launch = launch
            if launch.root_reason:
                self._log(f"QEMU runs as root: {launch.root_reason}")
            arguments = command.qemu_command(
                program.path,
                program.version,
                architecture=self._architecture,
                clock=choice.clock,
                accel=choice.accel,
                memory_mib=self._memory_mib,
                files=launch.files,
                sandbox=program.sandbox,
                variant=self._variant,
            )
            messages = self._directory / QEMU_LOG
            self._qemu = Qemu(arguments, messages, launch.files.descriptors, launch.user)
            # Also when nobody calls `stop` before the interpreter ends.
            self._finalizer = weakref.finalize(
                self, _clean_up, os.getpid(), self._qemu, launch, self._run_directory
            )
            if launch.state is None:
                launch.give_objects()
            elif not launch.restore(meanwhile=launch.give_objects):
                return False
            try:
                self._await_agent(launch)
            except GuestBootError:
                if launch.state is None:
                    raise
                launch.state.discard()
                return False
        return True

    def _await_agent(self, launch: Launch) -> None:
        patience = _PATIENCE if self.choice.accel == "tcg" else 1
        timeout_s = patience * self._boot_timeout_s
        try:
            with Session(self.socket_path, timeout_s, still_there=self._still_boots) as session:
                self._check(session.facts)
                variants.refuse_unknown(self._variant, _text(self.console_path))
                launch.save()
                session.begin(launch.beginning)
        except ConnectionLostError as error:
            raise self._boot_error(str(error)) from None

    def _check(self, facts: Mapping[str, Any]) -> None:
        if failures := facts["preload_failures"]:
            entry, reason = next(iter(failures.items()))
            raise FailedError(f"{entry} cannot be preloaded in the guest: {reason}")
        if facts["release"] != self.kernel.release:
            raise FailedError(
                f"the image of kernel {self.kernel.release} is in truth {facts['release']}",
                "add the kernel again",
            )

    def _still_boots(self) -> bool:
        # By its own processor time: on a busy machine the same boot takes several times as long.
        spent_s = None if self._qemu is None else self._qemu.processor_s
        return spent_s is not None and spent_s < self._boot_timeout_s

    def _boot_error(self, why: str) -> GuestBootError:
        if not self.alive:
            what = "QEMU ended"
        elif self._still_boots():
            what = why
        else:
            what = f"nothing answered within {self._boot_timeout_s:g} s of processor time"
        log = self._tail()
        return GuestBootError(
            f"kernel {self.kernel.release} did not come up in a guest: {what}"
            + (f" ({last})" if (last := log.reason) else ""),
            "the boot log is above" if log.text else "",
            log.text,
        )

    def _lost(self, why: str) -> GuestLostError:
        if self._qemu is not None:
            self._qemu.wait(1.0)  # A hang-up comes a moment before the end.
        log = self._tail()
        error = GuestLostError(
            f"the guest with kernel {self.kernel.release} is lost: {log.reason or why}",
            "",
            log.text,
        )
        self.stop()
        return error

    def _tail(self) -> Tail:
        if self._launch is not None and not self.alive:
            self._launch.console.settle(1.0)
        return tail(self.console_path, self._directory / QEMU_LOG)

    def _trial(self) -> str:
        if why := self._foreign():
            return why
        version = qemu_version(find_qemu(self._architecture))
        if self.kernel.image is None:
            return "the kernel has no image"
        key = acceleration.trial_key(self.kernel.release, self.kernel.image, version)
        memory = acceleration.Memory()
        failure = memory.recall(key)
        if failure is None:
            failure = self._try_kvm()
            memory.keep(key, failure)
        return failure

    def _foreign(self) -> str:
        if architectures.is_here(self._architecture.name):
            return ""
        return f"kernel {self.kernel.release} is of another architecture than this machine"

    def _try_kvm(self) -> str:
        trial = Guest(self.kernel, clock="wall", accel="kvm", boot_timeout_s=acceleration.TRIAL_S)
        try:
            trial.start()
        except GuestBootError as error:
            return error.what
        finally:
            trial.stop()
        return ""


def _text(log: Path) -> str:
    return log.read_bytes().decode("utf-8", "replace") if log.exists() else ""


def _clean_up(
    owner: int, qemu: Qemu | None, launch: Launch | None, directory: RunDirectory | None
) -> None:
    if os.getpid() != owner:
        return  # A forked copy of the process the guest belongs to.
    if qemu is not None:
        qemu.end()
    if launch is not None:
        launch.life.close()
        launch.monitor.close()
    if directory is not None:
        directory.remove()
