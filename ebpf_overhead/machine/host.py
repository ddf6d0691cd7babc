"""What the kernel runs on and what else runs there: hardware, hypervisor, container, load."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ebpf_overhead.machine.tree import Tree

# What the clocks and the firmware of a virtual machine give away.  The names are those
# of systemd-detect-virt(1).  A paravirtual clock names the interface that the
# hypervisor really offers, so it goes before the firmware's marketing.
_CLOCKS = {"kvm-clock": "kvm", "hyperv_clocksource": "microsoft", "xen": "xen"}
_FIRMWARE = {
    "KVM": "kvm",
    "OpenStack": "kvm",
    "QEMU": "qemu",
    "VMware": "vmware",
    "VirtualBox": "oracle",
    "Hyper-V": "microsoft",
    "Virtual Machine": "microsoft",
    "Xen": "xen",
    "Parallels": "parallels",
    "BHYVE": "bhyve",
    "Apple Virtualization": "apple",
    "Google Compute Engine": "google",
    "Amazon EC2": "amazon",
}

# Numbers that the kernel gives its first namespaces (include/uapi/linux/nsfs.h).
_FIRST_NAMESPACES = {
    "pid": "pid:[4026531836]",
    "cgroup": "cgroup:[4026531835]",
    "ipc": "ipc:[4026531839]",
    "uts": "uts:[4026531838]",
}

UNIDENTIFIED = "unidentified"


@dataclass(frozen=True)
class Host:
    """What the kernel runs on.

    Attributes
    ----------
    distribution : str or None
        Name and version of the distribution.
    hardware : str or None
        Vendor and product, as the firmware names them.
    hypervisor : str or None
        ``kvm``, ``qemu``, ``xen``, ...; ``unidentified`` for a virtual machine of some
        sort; ``none`` for bare metal; None if there is no telling.
    container : str or None
        ``docker``, ``podman``, ...; ``unidentified`` for a container of some sort;
        ``none`` outside of any; None if there is no telling.
    load_1min : float or None
        Tasks running or waiting for a CPU, mean over the last minute.
    steal_percent : float or None
        Share of the CPUs' time since boot that the hypervisor gave to others.
    """

    distribution: str | None
    hardware: str | None
    hypervisor: str | None
    container: str | None
    load_1min: float | None
    steal_percent: float | None


def read(tree: Tree) -> Host:
    """Return the facts about what the kernel runs on."""
    hardware = _hardware(tree)
    load = re.match(r"\d+\.\d+", tree.text("proc/loadavg") or "")
    return Host(
        distribution=_distribution(tree),
        hardware=hardware,
        hypervisor=_hypervisor(tree, hardware or ""),
        container=_container(tree),
        load_1min=float(load.group()) if load else None,
        steal_percent=_steal_percent(tree.text("proc/stat", limit_bytes=4096) or ""),
    )


def _distribution(tree: Tree) -> str | None:
    text = tree.text("etc/os-release") or tree.text("usr/lib/os-release") or ""
    name = re.search(r"^PRETTY_NAME=[\"']?(.*?)[\"']?$", text, re.MULTILINE)
    return name.group(1) if name else None


def _hardware(tree: Tree) -> str | None:
    firmware = [tree.text(f"sys/class/dmi/id/{name}") for name in ("sys_vendor", "product_name")]
    return " ".join(filter(None, firmware)) or tree.text("proc/device-tree/model")


def _hypervisor(tree: Tree, hardware: str) -> str | None:
    """Return the hypervisor, told from the files that each kind leaves."""
    cpuinfo = tree.text("proc/cpuinfo", limit_bytes=16 * 1024) or ""
    flags = re.search(r"^flags\s*:(.*)$", cpuinfo, re.MULTILINE)  # x86 alone has this line
    told = tree.text("sys/hypervisor/type")
    if told or (flags and "hypervisor" not in flags.group(1).split()):
        return told or "none"
    device_tree = tree.text("proc/device-tree/hypervisor/compatible") or ""
    return (
        _by_clock(tree)
        or re.sub(r".*,|-.*", "", device_tree.split("\0")[0])
        or _by_firmware(hardware)
        or (UNIDENTIFIED if flags else None)
    )


def _by_clock(tree: Tree) -> str | None:
    clocks = tree.text("sys/devices/system/clocksource/clocksource0/available_clocksource") or ""
    return next((name for clock, name in _CLOCKS.items() if clock in clocks), None)


def _by_firmware(hardware: str) -> str | None:
    # Clouds rent out whole machines too, under the same vendor's name.
    if hardware.endswith(".metal"):
        return "none"
    return next((name for mark, name in _FIRMWARE.items() if mark in hardware), None)


def _container(tree: Tree) -> str | None:
    """Return the container's runtime.

    A marker file alone proves nothing: root file systems of virtual machines are often
    made from container images.  The namespaces tell whether it is one.
    """
    namespaces = {kind: tree.link(f"proc/self/ns/{kind}") for kind in _FIRST_NAMESPACES}
    known = {kind: link for kind, link in namespaces.items() if link is not None}
    if known and all(_FIRST_NAMESPACES[kind] == link for kind, link in known.items()):
        return "none"
    in_own_pids = "pid" in known and known["pid"] != _FIRST_NAMESPACES["pid"]
    return _runtime(tree) or (UNIDENTIFIED if in_own_pids else None)


def _runtime(tree: Tree) -> str | None:
    named = tree.text("run/systemd/container")
    if named:
        return named
    if tree.exists("run/.containerenv"):
        return "podman"
    if tree.exists(".dockerenv"):
        return "docker"
    control_group = tree.text("proc/1/cgroup") or ""
    marks = {"docker": "docker", "kubepods": "kubernetes", "lxc": "lxc"}
    return next((name for mark, name in marks.items() if mark in control_group), None)


def _steal_percent(stat: str) -> float | None:
    # cpu user nice system idle iowait irq softirq steal guest guest_nice (proc(5));
    # the last two are part of the first two.
    match = re.match(r"cpu +((?:\d+ ){7}\d+)", stat)
    if not match:
        return None
    ticks = [int(each) for each in match.group(1).split()]
    return round(100 * ticks[7] / sum(ticks), 3) if sum(ticks) else None
