"""Running bpftrace until it has loaded the programs of a script, in a process of little power.

bpftrace compiles the script for the kernel that runs, makes its maps, loads its programs and runs
``BEGIN``.  Then it is ended: see :mod:`ebpf_overhead.programs.bpftrace_calls`.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from ebpf_overhead.closing import Closing
from ebpf_overhead.errors import FailedError, MissingToolError
from ebpf_overhead.programs import confinement
from ebpf_overhead.programs.bpftrace_calls import COMMANDS, ScriptCalls, ScriptProgram
from ebpf_overhead.programs.bpftrace_maps import ScriptMaps
from ebpf_overhead.programs.notified_calls import Listener, listened
from ebpf_overhead.trust import refuse_foreign

_PLACES = os.pathsep.join(("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"))
_INSTALL_HINT = (
    "install it: apt-get install bpftrace (Debian, Ubuntu), dnf install bpftrace (Fedora, RHEL),"
    " pacman -S bpftrace (Arch)"
)
# Compiling takes a second, in a guest that is emulated some.
_PATIENCE_S = 300.0
_LONGEST_OUTPUT_BYTES = 1 << 20


@dataclass(frozen=True)
class ScriptRun:
    """What bpftrace made of a script.

    Attributes
    ----------
    programs : list of ScriptProgram
        What it would have attached, in the order in which it loaded them.
    map_fds : dict of str to int
        Descriptors of the maps that they use.
    types_fd : int
        Descriptor of the type information that they refer to, or 0.
    said : str
        What it wrote.
    ended : bool
        Whether it ended before it waited for events.
    """

    programs: list[ScriptProgram]
    map_fds: dict[str, int]
    types_fd: int
    said: str
    ended: bool


def bpftrace_path() -> Path:
    """Return the file of bpftrace.

    Raises
    ------
    MissingToolError
        It is not installed.
    BadUseError
        Another user could have written it.
    """
    found = shutil.which("bpftrace", path=_PLACES)
    if found is None:
        raise MissingToolError("bpftrace is not installed, which scripts need", _INSTALL_HINT)
    refuse_foreign(Path(found))
    return Path(found).resolve()


def run_script(text: bytes, parameters: Sequence[str] = ()) -> ScriptRun:
    """Have bpftrace compile and load a script.

    Nothing of it is attached, and bpftrace has ended when this returns.

    Parameters
    ----------
    text : bytes
        The script.
    parameters : sequence of str
        What it calls ``$1``, ``$2`` and so on.

    Raises
    ------
    OverheadError
        bpftrace is missing, or cannot be run.
    """
    path = bpftrace_path()
    with _Child(path, text, parameters) as child, child.maps() as maps:
        calls = child.calls(maps)
        ended = not child.serve(calls)
        programs = [] if ended else calls.programs()
        used = {each.name for program in programs for each in program.function.maps}
        # Programs by which bpftrace finds out what the kernel can do have types of their own.
        types = {each.types for each in programs if each.types}
        if len(types) > 1:
            raise FailedError("the programs that bpftrace makes have several kinds of types")
        return ScriptRun(
            programs, *maps.handed_on(used, max(types, default=0)), child.said(), ended
        )


class _Child(Closing):
    """The process that becomes bpftrace; it is killed when this is closed."""

    def __init__(self, path: Path, text: bytes, parameters: Sequence[str]) -> None:
        self._path, self._parameters = path, parameters
        self._opened = ExitStack()
        self._process = 0
        try:
            self._start(text)
        except BaseException:
            self.close()
            raise

    def _start(self, text: bytes) -> None:
        script, self._said = self._file("script"), self._file("said")
        os.pwrite(script, text, 0)
        ours, theirs = socket.socketpair()
        self._opened.callback(ours.close)
        with theirs:
            self._process = os.fork()
            if not self._process:
                _become(self._path, self._parameters, script, self._said, theirs)
        self._process_fd = self._kept(os.pidfd_open(self._process))
        ours.settimeout(_PATIENCE_S)
        _, fds, _, _ = socket.recv_fds(ours, 1, 1)
        if not fds:
            raise FailedError(f"bpftrace cannot be run: {self.said() or 'no reason given'}")
        self._listener = Listener(self._kept(fds[0]))

    def _file(self, name: str) -> int:
        return self._kept(os.memfd_create(name))

    def _kept(self, fd: int) -> int:
        self._opened.callback(os.close, fd)
        return fd

    def maps(self) -> ScriptMaps:
        """Return its maps: none yet."""
        return ScriptMaps(self._process_fd)

    def calls(self, maps: ScriptMaps) -> ScriptCalls:
        """Return what it asks the kernel for, to be served."""
        return ScriptCalls(self._listener, self._process, maps, self._path)

    def serve(self, calls: ScriptCalls) -> bool:
        """Serve it until it waits for events; return whether it does, and has not ended."""
        poll = select.poll()
        poll.register(self._listener.fd, select.POLLIN)
        poll.register(self._process_fd, select.POLLIN)
        while True:
            ready = dict(poll.poll(_PATIENCE_S * 1e3))
            if not ready:
                raise FailedError(f"bpftrace took more than {_PATIENCE_S:.0f} s for the script")
            if not ready.get(self._listener.fd, 0) & select.POLLIN:
                return False
            call = self._listener.next()
            if call and call.name == "epoll_wait":
                return True
            if call:
                calls.handle(call)

    def said(self) -> str:
        """Return what it wrote."""
        return os.pread(self._said, _LONGEST_OUTPUT_BYTES, 0).decode(errors="replace")

    def close(self) -> None:
        """Kill it, and give back all that belongs to it."""
        process, self._process = self._process, 0
        if process:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
        self._opened.close()


def _become(
    path: Path, parameters: Sequence[str], script: int, said: int, channel: socket.socket
) -> NoReturn:
    """Be the child, and then bpftrace: whatever happens, do not go back to the parent's work."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        confinement.confine_command([script, said, channel.fileno()])
        for standard, fd in enumerate((script, said, said)):
            os.dup2(fd, standard)
        socket.send_fds(channel, [b"1"], [listened(COMMANDS)])
        settings = {key: each for key, each in os.environ.items() if key.startswith("BPFTRACE_")}
        words = ["bpftrace", "-", *parameters]
        os.execve(path, words, {"PATH": _PLACES, "LC_ALL": "C", **settings})
    except BaseException as error:
        os.write(said, str(error).encode())
    finally:
        os._exit(1)
