"""All that QEMU is given to start a guest with: files, directories and sockets, opened here."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from ebpf_overhead import architectures
from ebpf_overhead.closing import Closing
from ebpf_overhead.errors import BadUseError, FailedError
from ebpf_overhead.guest import command, inside, modules, ninep
from ebpf_overhead.guest.begin import MODULES
from ebpf_overhead.guest.console import Console
from ebpf_overhead.guest.monitor import Monitor
from ebpf_overhead.guest.origin import GuestOrigin, Setting
from ebpf_overhead.guest.qemu import Emulator
from ebpf_overhead.guest.states import SavedState, Saving
from ebpf_overhead.guest.user import User, choose
from ebpf_overhead.guest.view import View
from ebpf_overhead.programs import bcc, compile_failures, store

# In the run directory.
COMMAND_SOCKET = "command.socket"
CONSOLE_LOG = "console.log"
QEMU_LOG = "qemu.log"
# Where in its share a guest finds programs that are compiled already, and keeps those that it
# compiles itself, which takes it seconds.
_OBJECTS = "objects"

# In the run directory: files that are shown, by number.
_COPIES = "copies"
_MOST_COPIED_BYTES = 64 << 20

_DIRECTORY = os.O_PATH | os.O_DIRECTORY
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Launch(Closing):
    """What QEMU is started with.

    Parameters
    ----------
    files : Files
        Open descriptors, until `close`.
    user : User or None
        Who QEMU runs as; None for whoever starts it.
    root_reason : str
        Why QEMU runs as root; empty when it does not.
    view : View
        What the guest sees.
    share : Path
        The directory it may write to.
    life : socket.socket
        Our end of the life port; `close` leaves it open.
    console : Console
        The log of its console.
    monitor : Monitor
        Controls QEMU.
    beginning : dict
        What the guest is told when it is up; see `ebpf_overhead.guest.begin`.
    state : SavedState or None
        What it is restored from; None when it boots.
    saving : Saving or None
        Where its state is saved to when it has booted.
    log : callable
        Told in a line what is noteworthy.
    """

    files: command.Files
    user: User | None
    root_reason: str
    view: View
    share: Path
    life: socket.socket
    console: Console
    monitor: Monitor
    beginning: dict[str, Any]
    state: SavedState | None
    saving: Saving | None
    log: Callable[[str], None]

    def give_objects(self) -> None:
        """Put the stored program objects into the share, which the guest looks into later."""
        _give_objects(self.share / _OBJECTS, self.user)

    def restore(self, meanwhile: Callable[[], None]) -> bool:
        """Restore the guest from its saved state; one that is of no use is removed.

        Parameters
        ----------
        meanwhile : callable
            Called while QEMU reads the state.

        Returns
        -------
        bool
            Whether the guest runs.
        """
        assert self.state is not None
        try:
            self.monitor.begin_load(self.state.descriptor)
            meanwhile()
            if self.state.intact:  # QEMU waits for the rest of one that was cut off.
                self.monitor.await_load()
                self.monitor.go_on()
                return True
        except FailedError:
            pass  # As for one that is not intact.
        self.state.discard()
        return False

    def save(self) -> None:
        """Save the state of a guest that has booted, if it is to be kept."""
        if self.saving is None:
            return
        try:
            self.monitor.save(self.saving.descriptor)
            self.saving.publish()
        except (FailedError, OSError) as error:
            self.log(f"the guest's state is not kept, so the next one boots, too: {error}")

    def close(self) -> None:
        """Close what QEMU has by now."""
        for descriptor in self.files.descriptors:
            os.close(descriptor)
        for kept in (self.state, self.saving):
            if kept is not None:
                os.close(kept.descriptor)


def prepare(setting: Setting, directory: Path, program: Emulator) -> Launch:
    """Open and write all that a guest needs.

    Parameters
    ----------
    setting : Setting
        What it is to be.
    directory : Path
        Its run directory.
    program : Emulator
        The QEMU that runs it.

    Raises
    ------
    BadUseError
        When the share is no directory, or too much is to be shown.
    UnsupportedError
        When the kernel has no image, or cannot be a guest's.
    GuestBootError
        When the image is damaged.
    """
    kernel = setting.kernel
    within = inside.inside(setting.python, architectures.of(kernel.arch), kernel.userlands)
    base, seen = within.seen(), within.seen(setting.shown)
    place = "/lib/modules" if within.system is None else None
    mounts = _mounts(seen, modules.module_tree(kernel.modules, kernel.release), place)
    user, root_reason = choose(setting.share, [*map(Path, mounts), Path(setting.python)])
    share = _share(setting.share, directory, user)
    copies = _copies(base, seen, directory)
    origin = GuestOrigin(setting, within, base, program, len(mounts))
    state = origin.find()
    with ExitStack() as stack:

        def keep(descriptor: int) -> int:
            stack.callback(os.close, descriptor)
            return descriptor

        saving = None
        boot: tuple[int, int] | str
        if state is not None:
            boot = state.boot_program
        else:
            image, archive = origin.boot(directory)
            boot = (
                keep(os.open(_readable(image, user, directory), os.O_RDONLY)),
                keep(os.open(_written(directory / "initrd", archive, user), os.O_RDONLY)),
            )
            saving = origin.saving(image)
        console = Console(directory / CONSOLE_LOG)
        life, their_life = socket.socketpair()
        monitor, their_monitor = socket.socketpair()
        files = command.Files(
            boot=boot,
            life=keep(their_life.detach()),
            monitor=keep(their_monitor.detach()),
            console=keep(console.theirs.detach()),
            command=keep(_listening(directory / COMMAND_SOCKET).detach()),
            shown=[keep(os.open(path, _DIRECTORY)) for path in mounts],
            copies=keep(os.open(directory / _COPIES, _DIRECTORY)),
            share=keep(os.open(share, _DIRECTORY)),
        )
        stack.pop_all()
    beginning = {
        "shown": list(mounts.values()),
        "share": str(share),
        "options": ninep.mount_options(kernel.release),
        "readahead_kib": ninep.readahead_kib(kernel.release),
        "files": copies,
        "links": sorted({*seen.links} - {*base.links}),
        "environment": _environment(setting.clock, share, within.system is not None),
    }
    return Launch(
        *(files, user, root_reason, seen, share, life, console, Monitor(monitor)),
        *(beginning, state, saving, setting.log),
    )


def _copies(base: View, seen: View, directory: Path) -> list[tuple[str, int]]:
    """Copy files that are shown, but lie in no directory that is; return place and mode of each."""
    (directory / _COPIES).mkdir()
    found: list[tuple[str, int]] = []
    room_bytes = _MOST_COPIED_BYTES
    for place in sorted({*seen.files} - {*base.files}):
        status = Path(place).stat()
        room_bytes -= status.st_size
        if room_bytes < 0:
            raise BadUseError(
                f"{place} ({status.st_size >> 20} MiB) is too large to be copied into a guest",
                "show the directory that it is in",
            )
        shutil.copyfile(place, directory / _COPIES / str(len(found)))
        found.append((place, status.st_mode & 0o777))
    return found


def _mounts(seen: View, tree: Path | None, host: str | None = "/lib/modules") -> dict[str, str]:
    # Directory of the host -> its place in the guest, in the order of mounting.
    mounts = {directory: directory for directory in seen.directories}
    if tree is not None:
        place = _module_place(host)
        mounts[str(tree.resolve())] = f"{place}/{tree.name}"
    if len(mounts) > command.MOST_SHOWN:
        raise BadUseError(
            f"{len(mounts)} directories to show to a guest, of at most {command.MOST_SHOWN}",
            "name a directory that holds several of them",
        )
    return mounts


def _module_place(host: str | None) -> str:
    """Return where a guest has modules; None stands for one with a system of its own."""
    if host is None:
        return "/usr/lib/modules"
    # What the host has there is of no use to another kernel.
    host = os.path.realpath(host)
    return host if Path(host).is_dir() else f"{MODULES}/lib/modules"


def _share(wanted: Path | None, directory: Path, user: User | None) -> Path:
    if wanted is None:
        share = directory / "share"
        share.mkdir()
        _give(share, user)
        return share
    if not wanted.is_dir():
        raise BadUseError(f"{wanted}, to be shared with the guest, is no directory")
    return wanted


def _give_objects(place: Path, user: User | None) -> None:
    """Copy the stored program objects into the share, which an earlier guest may have written to.

    So nothing there is trusted: by descriptors, and no link is followed.
    """
    if place.is_symlink():
        place.unlink()
    place.mkdir(exist_ok=True)
    folder = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        _give(folder, user)
        for name, text in chain(store.usable(), compile_failures.as_files()):
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
            made = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=folder)
            with open(made, "w", encoding="utf-8") as file:
                file.write(text)
                _give(made, user)
    finally:
        os.close(folder)


def _environment(clock: command.Clock, share: Path, foreign: bool = False) -> dict[str, str]:
    return {
        **({bcc.COMPILER_VARIABLE: str(bcc.library_path())} if foreign else {}),
        "PATH": _PATH if foreign else os.environ.get("PATH", os.defpath),
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "TMPDIR": "/tmp",
        # Without it, dictionaries and sets of strings differ from boot to boot by 0.3 %.
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        # What time means here, for whoever measures in the guest.
        "EBPF_OVERHEAD_CLOCK": clock,
        store.OBJECTS_VARIABLE: str(share / _OBJECTS),
    }


def _listening(path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(path))
    listening.listen(1)
    return listening


def _readable(path: Path, user: User | None, directory: Path) -> Path:
    # QEMU opens the file again, by its descriptor.
    if user is None or user.may_read(path):
        return path
    return _written(directory / "kernel", path.read_bytes(), user)


def _written(path: Path, content: bytes, user: User | None) -> Path:
    path.write_bytes(content)
    _give(path, user)
    return path


def _give(path: Path | int, user: User | None) -> None:
    if user is not None:
        os.chown(path, user.uid, user.gid)
