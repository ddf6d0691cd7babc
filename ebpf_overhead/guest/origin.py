"""How a guest comes up: what it boots, or the saved state of one that was booted from the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

from ebpf_overhead import architectures
from ebpf_overhead.architectures import Architecture
from ebpf_overhead.errors import BadUseError, UnsupportedError
from ebpf_overhead.guest import command, image, initrd, modules, states
from ebpf_overhead.guest.inside import Inside
from ebpf_overhead.guest.qemu import Emulator
from ebpf_overhead.guest.variants import Variant
from ebpf_overhead.guest.view import View
from ebpf_overhead.programs.store import fingerprint

_NOTHING = command.Files((0, 0), (), 0, 0, 0, 0, 0, 0)


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

    @property
    def states(self) -> Path:
        """Where states of guests that were booted on it are kept."""

    @property
    def userlands(self) -> Path:
        """Where the programs of guests of other architectures are."""

    def config_text(self) -> str | None:
        """Return the build configuration, where known."""


@dataclass(frozen=True)
class Setting:
    """What a guest is to be.

    Parameters
    ----------
    kernel : KernelFiles
        What it boots.
    clock : str
        What time means in it.
    python : str
        The interpreter that is kept warm.
    preload : sequence of str
        What the interpreter imports.
    shown : sequence of Path
        What it sees besides the system, the interpreter and this project.
    share : Path or None
        The directory it may write to; None for one of its own.
    memory_mib : int
        Its memory in MiB.
    accel : str
        What executes it.
    restore : bool
        Whether it may be restored from a saved state, and its state be saved.
    variant : Variant
        What it has that others do not.
    log : callable
        Told in a line what is noteworthy.
    """

    kernel: KernelFiles
    clock: command.Clock
    python: str
    preload: Sequence[str]
    shown: Sequence[Path]
    share: Path | None
    memory_mib: int
    accel: command.Accelerator
    restore: bool
    variant: Variant
    log: Callable[[str], None]


@dataclass(frozen=True)
class GuestOrigin:
    """All that decides how a guest comes up, before it is told what to see.

    Parameters
    ----------
    setting : Setting
        What the guest is to be.
    inside : Inside
        What runs in it.
    base : View
        What every such guest sees.
    program : Emulator
        The QEMU that runs it.
    shown : int
        How many directories it sees.
    """

    setting: Setting
    inside: Inside
    base: View
    program: Emulator
    shown: int

    def find(self) -> states.SavedState | None:
        """Return a saved state of a guest with the same origin, if there is one."""
        return states.find(self.setting.kernel.states, self._key) if self._restore else None

    def boot(self, directory: Path) -> tuple[Path, bytes]:
        """Return the kernel to boot and the archive that becomes the guest's root.

        Parameters
        ----------
        directory : Path
            Where an unpacked kernel may be written.

        Raises
        ------
        UnsupportedError
            When the kernel has no image, or cannot be a guest's.
        GuestBootError
            When the image is damaged.
        """
        kernel = self.setting.kernel
        if kernel.image is None:
            raise UnsupportedError(f"kernel {kernel.release} has no image to boot", "add one")
        files = self.inside.files()
        files += [(self._place(name), path) for name, path in self.inside.extensions.items()]
        archive = initrd.build(
            self._modules,
            self.base,
            self._loaded,
            self.inside.warm.init_command,
            self._configuration,
            self.inside.busybox,
            files,
        )
        return image.bootable(kernel.image, directory), archive

    def saving(self, image: Path) -> states.Saving | None:
        """Return where the state of the guest is to be saved that boots an image; None: nowhere."""
        if not self._restore:
            return None
        used = [*self._loaded, *self.base.files, *(str(each.path) for each in self._modules)]
        used += map(str, self.inside.extensions.values())
        with image.open("rb") as file:
            program = command.boot_program(self._architecture, file.read(4))
        place = self.setting.kernel.states
        try:
            return states.Saving(place, self._key, program, states.fingerprints(used))
        except (OSError, BadUseError) as error:
            self.setting.log(f"the guest's state is not kept: {error}")
            return None

    @property
    def _architecture(self) -> Architecture:
        return architectures.of(self.setting.kernel.arch)

    @property
    def _restore(self) -> bool:
        return self.setting.restore and self.setting.clock == "icount"

    @cached_property
    def _modules(self) -> list[modules.Module]:
        kernel = self.setting.kernel
        tree = modules.module_tree(kernel.modules, kernel.release)
        return modules.needed_modules(tree, kernel.config_text())

    @cached_property
    def _loaded(self) -> list[str]:
        return self.inside.loaded(self.setting.python, self.setting.preload)

    @property
    def _configuration(self) -> bytes:
        configuration = {
            "command_port": command.COMMAND_PORT,
            "life_port": command.LIFE_PORT,
            "python": list(self.inside.warm.names),
            "preload": list(self.setting.preload),
            "extensions": {name: self._place(name) for name in self.inside.extensions},
        }
        return json.dumps(configuration).encode()

    @staticmethod
    def _place(module: str) -> str:
        """Return where a compiled module is in the guest."""
        return f"{initrd.EXTENSIONS}/{module}.so"

    @property
    def _key(self) -> str:
        setting, kernel = self.setting, self.setting.kernel
        arguments = command.qemu_command(
            self.program.path,
            self.program.version,
            architecture=self._architecture,
            clock=setting.clock,
            accel=setting.accel,
            memory_mib=setting.memory_mib,
            files=replace(_NOTHING, shown=[0] * self.shown),
            variant=setting.variant,
        )
        files = [kernel.image, Path(self.program.path), self.inside.busybox]
        return states.key_of(
            [
                *(arguments, kernel.release, str(kernel.modules), kernel.config_text()),
                *(self._configuration.decode(), self.inside.warm.init_command, asdict(self.base)),
                self.inside.identity,
                *([str(path), fingerprint(path)] for path in files if path is not None),
                _own_code(),
            ]
        )


def _own_code() -> list[str]:
    """Return what tells whether this room has changed: it makes guests what they are."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in sources]
