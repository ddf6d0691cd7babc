"""Which modules of a package are kept, and the index that modprobe reads.

A Debian kernel has about 4,200 modules.  Most are drivers of hardware that no guest has.
Everything outside of ``drivers/`` is kept (file systems, networking, crypto, block layer…),
and of ``drivers/`` what a virtual machine can have.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from ebpf_overhead.errors import FailedError, MissingToolError
from ebpf_overhead.kernels.store import module_folder

# Directories of drivers/ that are kept.
KEPT_DRIVERS = re.compile(
    "acpi|base|block|bus|cdrom|char|clk|clocksource|connector|cpufreq|cpuidle|crypto|dax|dca"
    "|devfreq|dma|dma-buf|firmware|hwtracing|idle|iommu|irqchip|mailbox|md|net|nvdimm|nvme|of"
    "|pci|powercap|ptp|rtc|scsi|tty|uio|vdpa|vfio|vhost|virt|virtio"
)
# Of drivers/net, directories of hardware; of drivers/scsi and drivers/crypto, what is not.
DROPPED_NET = re.compile(
    "appletalk|arcnet|can|dsa|ethernet|fddi|fjes|hamradio|hippi|ieee802154|ipa|mctp|mdio|pcs|phy"
    "|plip|pse-pd|slip|thunderbolt|usb|wan|wireless|wwan|xen-netback"
)
# What a module's name may end with after .ko, by how it is packed.
MODULE_SUFFIXES = ("", ".gz", ".xz", ".zst")
# The largest of Debian's have about 10 MiB unpacked.
LARGEST_MODULE_BYTES = 256 << 20
KEPT_SCSI = ("scsi_", "sd_mod.", "sr_mod.", "sg.", "virtio_scsi.", "iscsi_tcp.", "libiscsi")
KEPT_CRYPTO = ("virtio",)


def is_kept(name: str) -> bool:
    """Tell whether a file of a module folder is kept.

    Parameters
    ----------
    name : str
        Relative to ``lib/modules/<release>``: ``kernel/fs/9p/9p.ko.xz``, ``modules.order``.
    """
    parts = name.split("/")
    if parts[0] != "kernel":
        # The indexes the build made; links to headers and vmlinuz are no files or not ours.
        return len(parts) == 1 and name.startswith("modules.")
    if parts[1:2] != ["drivers"]:
        return parts[1:2] != ["sound"]
    kept = KEPT_DRIVERS.fullmatch(parts[2]) is not None
    return kept and _is_virtual(parts[2], parts[3:])


def _is_virtual(area: str, rest: list[str]) -> bool:
    if area == "net":
        return len(rest) < 2 or DROPPED_NET.fullmatch(rest[0]) is None
    if area == "scsi":
        return len(rest) == 1 and rest[0].startswith(KEPT_SCSI)
    if area == "crypto":
        return rest[0].startswith(KEPT_CRYPTO)
    return True


def index(base: Path, release: str) -> None:
    """Make ``modules.dep`` and the other indexes for a kernel that came without them.

    Parameters
    ----------
    base : Path
        Holds ``lib/modules/<release>``.
    release : str
        The kernel's release.

    Raises
    ------
    MissingToolError
        When depmod is not installed.
    FailedError
        When depmod fails.
    """
    if (module_folder(base, release) / "modules.dep").exists():
        return
    # /sbin is not in an ordinary user's PATH on Debian.
    depmod = shutil.which("depmod") or shutil.which("depmod", path="/usr/sbin:/sbin")
    if depmod is None:
        raise MissingToolError("depmod is not installed", "apt-get install kmod")
    done = subprocess.run(
        [depmod, "-b", str(base), release], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise FailedError(f"depmod of {release}: {done.stderr.strip()}", "add the kernel again")
