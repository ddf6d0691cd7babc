"""The QEMU process: finding the program, starting it so that it cannot outlive us, ending it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ebpf_overhead.architectures import Architecture
from ebpf_overhead.closing import DieWithParent
from ebpf_overhead.errors import FailedError, MissingToolError
from ebpf_overhead.guest.command import SANDBOX
from ebpf_overhead.guest.confinement import Confinement
from ebpf_overhead.guest.user import User

_END_S = 5.0


def find_qemu(architecture: Architecture) -> str:
    """Return the path of QEMU for an architecture.

    Raises
    ------
    MissingToolError
        When it is not installed.
    """
    name = architecture.guest.qemu
    path = shutil.which(name)
    if path is None:
        raise MissingToolError(
            f"{name} is not installed, which boots guests",
            f"apt-get install --no-install-recommends {architecture.guest.package} busybox-static",
        )
    return path


@dataclass(frozen=True)
class Emulator:
    """An installed QEMU.

    Parameters
    ----------
    path : str
        Its file.
    version : tuple of int
        The version it says it has, ``(7, 2, 22)``.
    sandbox : bool
        Whether it was built with its sandbox.
    """

    path: str
    version: tuple[int, ...]
    sandbox: bool


@lru_cache(maxsize=4)
def inspect(path: str) -> Emulator:
    """Return what there is to know about a QEMU.

    Parameters
    ----------
    path : str
        From `find_qemu`.

    Raises
    ------
    FailedError
        When it does not run, or does not say its version.
    """
    said = ""
    for options in (["-sandbox", SANDBOX], []):
        said = _say_version(path, options)
        if found := re.search(r"version (\d+(?:\.\d+)+)", said):
            return Emulator(path, tuple(map(int, found[1].split("."))), bool(options))
    raise FailedError(f"{path} --version says {said.strip()[:200]!r}", "install QEMU again")


def qemu_version(path: str) -> tuple[int, ...]:
    """Return the version a QEMU program says it has, ``(7, 2, 22)``."""
    return inspect(path).version


def _say_version(path: str, options: Sequence[str]) -> str:
    try:
        done = subprocess.run(
            [path, *options, "--version"], capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise FailedError(f"{path} does not run: {error.strerror}", "install QEMU again") from None
    return done.stdout + done.stderr


class Qemu:
    """A running QEMU, confined, which dies when this process does.

    Parameters
    ----------
    command : sequence of str
        From `ebpf_overhead.guest.command.qemu_command`.
    messages : Path
        File for what QEMU itself says.
    descriptors : sequence of int
        Passed on to it.
    user : User, optional
        Who it runs as; whoever starts it by default.

    Raises
    ------
    FailedError
        When it cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        messages: Path,
        descriptors: Sequence[int],
        user: User | None = None,
    ) -> None:
        self._command = command
        self._messages = messages
        self._descriptors = descriptors
        self._user = user
        self._started = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._failure: Exception | None = None
        # The kernel sends the death signal when the *thread* that forked ends, so QEMU gets
        # a thread that lives as long as it does, whoever starts the guest.
        self._keeper = threading.Thread(target=self._keep, name="qemu", daemon=True)
        self._keeper.start()
        self._started.wait()
        if self._failure is not None:
            raise FailedError(f"{command[0]} cannot be started: {self._failure}")

    def _keep(self) -> None:
        user = self._user
        try:
            with open(self._messages, "wb") as messages:
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=messages,
                    stderr=messages,
                    pass_fds=tuple(self._descriptors),
                    # Out of reach of the terminal's Ctrl-C: we end it ourselves.
                    start_new_session=True,
                    user=None if user is None else user.uid,
                    group=None if user is None else user.gid,
                    extra_groups=None if user is None else [],
                    cwd="/",
                    # The death signal comes last: a change of user takes it away.
                    preexec_fn=Confinement(DieWithParent()),
                )
        except (OSError, subprocess.SubprocessError) as error:
            self._failure = error
        finally:
            self._started.set()
        if self._process is not None:
            self._process.wait()

    @property
    def pid(self) -> int:
        """QEMU's own process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        assert self._process is not None
        return self._process.poll()

    @property
    def processor_s(self) -> float | None:
        """Processor time it has used, in seconds; None when it has ended."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end; return whether that came within `timeout_s`."""
        self._keeper.join(timeout_s)
        return not self._keeper.is_alive()

    def end(self) -> None:
        """End it; the guest loses nothing, all it may keep is on the host already."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.exit_status is None:
                assert self._process is not None
                self._process.send_signal(number)
            if self.wait(_END_S):
                return
