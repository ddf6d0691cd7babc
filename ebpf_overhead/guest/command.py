"""The QEMU command line and the guest kernel's, from options.  Nothing here touches the machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ebpf_overhead.architectures import Architecture
from ebpf_overhead.errors import MissingToolError
from ebpf_overhead.guest.variants import USUAL, USUAL_CPU, Variant

Clock = Literal["icount", "wall"]
Accelerator = Literal["tcg", "kvm"]

# The names by which the agent in the guest finds its two serial ports.
COMMAND_PORT = "ebpf_overhead.command"
LIFE_PORT = "ebpf_overhead.life"

# What QEMU's own sandbox may refuse it.  Not spawn=deny: it ends QEMU 7.2 when the guest starts.
SANDBOX = "on,obsolete=deny,elevateprivileges=deny,resourcecontrol=deny"
# Each directory shown is a device in one of the 32 slots of a bus that has other devices.  Guests
# have more of them than they need, so that one state serves guests that see different things.
MOST_SHOWN = 24
_SHOWN_STEP = 8

# Guest and device tell each other when they may leave a notification out (VIRTIO_F_EVENT_IDX).  To
# agree on that, the guest needs a full memory barrier.  An emulated single processor has none: QEMU
# before 8.1 leaves it out, and no later one puts it in for a locked instruction.  A notification
# that is lost stops the guest for ever.  So none is ever left out.
# QEMU commit c914d46d0a645e7c633292146f4e38c945d4f847
_NO_LOST_WAKE_UP = "event_idx=off"

# How a guest counts instructions.
_COUNTING = (
    # 2**0 = 1 ns of guest time an instruction.  sleep=off: the clock never waits for
    # the host's, so it counts instructions and nothing else.
    *("-icount", "shift=0,sleep=off"),
    # QEMU's random numbers (RDRAND among them) repeat.  They are not taken away: a
    # kernel without entropy takes a slow path through its random number generator.
    *("-seed", "0"),
    # The guest's calendar too starts at the same moment in every boot.
    *("-rtc", "base=2026-01-01T00:00:00,clock=vm"),
)

# The oldest QEMU with every option used here; Debian 11 has it.
MINIMUM_VERSION = (5, 2)


@dataclass(frozen=True)
class Files:
    """What QEMU is given to work with: open descriptors, so that it needs no right to open them.

    Parameters
    ----------
    boot : tuple of int and int, or str
        Kernel and initrd; for a guest that is restored, the name of the `boot_program` that
        it was booted by.
    shown : sequence of int
        Directories of the host that the guest may read.
    copies : int
        One more, with files.
    share : int
        The one directory of the host that the guest may write to.
    monitor : int
        A connected socket, by which QEMU is controlled.
    console : int
        Receives the kernel's console.
    command : int
        A Unix socket that listens: the command port.
    life : int
        A connected socket; the guest goes when its other end is closed.
    """

    boot: tuple[int, int] | str
    shown: Sequence[int]
    copies: int
    share: int
    monitor: int
    console: int
    command: int
    life: int

    @property
    def descriptors(self) -> tuple[int, ...]:
        """All of them."""
        return (
            *(() if isinstance(self.boot, str) else self.boot),
            *(*self.shown, self.copies, self.share),
            *(self.console, self.command, self.life, self.monitor),
        )


def cpu_model(architecture: Architecture, accel: Accelerator, variant: Variant = USUAL) -> str:
    """Return the CPU model; part of what identifies a series of results."""
    usual = f"{USUAL_CPU},{architecture.guest.features}" if accel == "tcg" else "host"
    return variant.cpu_model or usual


def kernel_command_line(architecture: Architecture, clock: Clock, variant: Variant = USUAL) -> str:
    """Return the guest kernel's command line.

    Parameters
    ----------
    architecture : Architecture
        The guest's.
    clock : str
        What the guest's time means.
    variant : Variant, optional
        What it has that others do not.
    """
    words = [
        f"console={architecture.guest.console}",  # The boot log, kept and shown when a boot fails.
        "panic=-1",  # Reboot at once, which -no-reboot turns into QEMU's end.
        # Addresses decide cache-set and hash-bucket collisions, and on some architectures
        # whether a trampoline is in direct reach: the same ones every time.
        "nokaslr",
        "norandmaps",
        # Some kernels randomise the stack offset at each system call, most by default;
        # off costs a few instructions less and repeats.
        "randomize_kstack_offset=off",
        "nowatchdog",  # Lock-up detectors tick at their own rate, and misjudge a stopped clock.
    ]
    if clock == "icount":
        words += architecture.guest.counted
    return " ".join([*words, *variant.boot_args.split()])


def qemu_command(
    binary: str,
    version: tuple[int, ...],
    *,
    architecture: Architecture,
    clock: Clock,
    accel: Accelerator,
    memory_mib: int,
    files: Files,
    sandbox: bool = True,
    variant: Variant = USUAL,
) -> list[str]:
    """Return the command that boots a guest.

    Parameters
    ----------
    binary : str
        QEMU's program.
    version : tuple of int
        Its version, ``(7, 2, 22)``.
    architecture : Architecture
        The guest's.
    clock, accel : str
        What time means, and what executes the guest; icount needs ``tcg``.
    memory_mib : int
        The guest's memory in MiB.
    files : Files
        What QEMU is given to work with.
    sandbox : bool, optional
        Whether this QEMU was built with its sandbox.
    variant : Variant, optional
        What the guest has that others do not.

    Returns
    -------
    list of str
        For `subprocess.Popen`, without a shell.

    Raises
    ------
    MissingToolError
        When this QEMU is too old.
    """
    if version < MINIMUM_VERSION:
        raise MissingToolError(
            f"QEMU {dotted(version)} is too old", f"install {dotted(MINIMUM_VERSION)} or newer"
        )
    return [
        binary,
        *(("-sandbox", SANDBOX) if sandbox else ()),
        *_machine(architecture, accel, memory_mib, variant),
        *(_COUNTING if clock == "icount" else ()),
        *_kernel(kernel_command_line(architecture, clock, variant), files.boot),
        *_ports(files),
        *_file_systems(files),
    ]


def dotted(version: tuple[int, ...]) -> str:
    """Return a version as people write it, ``7.2.22``."""
    return ".".join(map(str, version))


def _machine(
    architecture: Architecture, accel: Accelerator, memory_mib: int, variant: Variant
) -> list[str]:
    return [
        "-no-user-config",  # Nobody's configuration file changes the machine,
        "-nodefaults",  # and it has no device that is not named here.
        # No display: nothing to draw, nothing to need an X server for.
        *("-display", "none"),
        *("-machine", architecture.guest.machine),
        *("-accel", accel),
        *("-cpu", cpu_model(architecture, accel, variant)),
        *("-smp", "1"),  # One: icount allows no more, and a second could only disturb.
        *("-m", str(memory_mib)),
        "-no-reboot",  # A panic or a reboot ends QEMU, so that it is noticed.
    ]


def boot_program(architecture: Architecture, image: bytes) -> str:
    """Return the program of its own by which QEMU boots an image; it is part of a saved state.

    It is the empty string where QEMU needs none.
    """
    if not architecture.guest.has_boot_program:
        return ""
    return "pvh.bin" if image.startswith(b"\x7fELF") else "linuxboot_dma.bin"


def _kernel(command_line: str, boot: tuple[int, int] | str) -> list[str]:
    if isinstance(boot, str):
        return [*("-incoming", "defer"), *(("-option-rom", boot) if boot else ())]
    return [
        *("-kernel", _path(boot[0])),
        *("-initrd", _path(boot[1])),
        *("-append", command_line),
    ]


def _ports(files: Files) -> list[str]:
    return [
        *("-chardev", f"socket,id=console,fd={files.console}"),
        *("-serial", "chardev:console"),
        *("-chardev", f"socket,id=monitor,fd={files.monitor}"),
        *("-mon", "chardev=monitor,mode=control"),
        *("-device", f"virtio-serial-pci,{_NO_LOST_WAKE_UP}"),
        # QEMU accepts: who wants to run a command connects, and hanging up is seen inside.
        *("-chardev", f"socket,id=command,fd={files.command},server=on,wait=off"),
        *("-device", f"virtserialport,chardev=command,name={COMMAND_PORT}"),
        # The other end is held by the process the guest belongs to, and by nothing else.
        *("-chardev", f"socket,id=life,fd={files.life}"),
        *("-device", f"virtserialport,chardev=life,name={LIFE_PORT}"),
    ]


def _file_systems(files: Files) -> list[str]:
    words = []
    shown = [*files.shown, *[files.copies] * (-len(files.shown) % _SHOWN_STEP)]
    for number, descriptor in enumerate(shown):
        # readonly=on is QEMU's own refusal, which nothing inside the guest can lift.
        words += _file_system(f"shown{number}", descriptor, ",readonly=on")
    words += _file_system("copies", files.copies, ",readonly=on")
    return [*words, *_file_system("share", files.share)]


def _file_system(tag: str, descriptor: int, option: str = "") -> list[str]:
    # security_model=none: owners and modes as they are; a chown that the host's user may
    # not do is let pass.  multidevs=remap: file systems mounted below keep distinct inodes.
    common = "security_model=none,multidevs=remap"
    return [
        *("-fsdev", f"local,id={tag},path={_path(descriptor)},{common}{option}"),
        *("-device", f"virtio-9p-pci,{_NO_LOST_WAKE_UP},fsdev={tag},mount_tag={tag}"),
    ]


def _path(descriptor: int) -> str:
    # Leads to what is open, through no directory that QEMU's user may not enter.
    return f"/proc/self/fd/{descriptor}"
