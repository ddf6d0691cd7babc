"""The QEMU process: finding the program, starting it so that it cannot outlive us, ending it."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from ebpf_overhead.errors import FailedError, MissingToolError
from ebpf_overhead.guest.command import qemu_binary, qemu_package

_PR_SET_PDEATHSIG = 1
_END_S = 5.0


def find_qemu(arch: str) -> str:
    """Return the path of QEMU for an architecture.

    Raises
    ------
    MissingToolError
        When it is not installed.
    """
    name = qemu_binary(arch)
    path = shutil.which(name)
    if path is None:
        raise MissingToolError(
            f"{name} is not installed, which boots guests",
            f"apt-get install --no-install-recommends {qemu_package(arch)} busybox-static",
        )
    return path


@lru_cache(maxsize=4)
def qemu_version(binary: str) -> tuple[int, ...]:
    """Return the version a QEMU program says it has, ``(7, 2, 22)``.

    Raises
    ------
    FailedError
        When it does not run, or says something else.
    """
    try:
        done = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False)
    except OSError as error:
        raise FailedError(
            f"{binary} does not run: {error.strerror}", "install QEMU again"
        ) from None
    found = re.search(r"version (\d+(?:\.\d+)+)", done.stdout)
    if found is None:
        said = (done.stdout + done.stderr).strip()[:200]
        raise FailedError(f"{binary} --version says {said!r}", "install QEMU again")
    return tuple(map(int, found[1].split(".")))


class Qemu:
    """A running QEMU, which dies when this process does.

    Parameters
    ----------
    command : sequence of str
        From `ebpf_overhead.guest.command.qemu_command`.
    messages : Path
        File for what QEMU itself says.
    descriptors : sequence of int
        Passed on to it.

    Raises
    ------
    FailedError
        When it cannot be started.
    """

    def __init__(self, command: Sequence[str], messages: Path, descriptors: Sequence[int]) -> None:
        self._command = command
        self._messages = messages
        self._descriptors = descriptors
        self._started = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._failure: OSError | None = None
        # The kernel sends the death signal when the *thread* that forked ends, so QEMU gets
        # a thread that lives as long as it does, whoever starts the guest.
        self._keeper = threading.Thread(target=self._keep, name="qemu", daemon=True)
        self._keeper.start()
        self._started.wait()
        if self._failure is not None:
            raise FailedError(f"{command[0]} cannot be started: {self._failure}")

    def _keep(self) -> None:
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
                    preexec_fn=DieWithParent(),
                )
        except OSError as error:
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


class DieWithParent:
    """Runs between fork and exec: the kernel shall kill this process when its parent ends."""

    def __init__(self) -> None:
        # Looked up before the fork, after which little is safe to call.
        self._prctl = ctypes.CDLL(None).prctl
        self._parent = os.getpid()

    def __call__(self) -> None:
        """Ask for it; end at once where the parent has ended already."""
        self._prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != self._parent:
            os._exit(1)  # It has ended already.
