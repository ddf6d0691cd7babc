"""The hardware, hypervisor, container and load around this process."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ebpf_overhead.machine.tree import Tree

# Clocks and firmware that identify a hypervisor, with the names of systemd-detect-virt(1).
# A paravirtual clock names the interface that the hypervisor really offers.  So it has
# precedence over the firmware's product name.
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

# Numbers of the kernel's first namespaces (include/uapi/linux/nsfs.h).
_FIRST_NAMESPACES = {
    "pid": "pid:[4026531836]",
    "cgroup": "cgroup:[4026531835]",
    "ipc": "ipc:[4026531839]",
    "uts": "uts:[4026531838]",
}

UNIDENTIFIED = "unidentified"


@dataclass(frozen=True)
class Host:
    """The environment of the kernel.

    Attributes
    ----------
    distribution : str or None
        Name and version of the distribution.
    hardware : str or None
        Vendor and product, as the firmware names them.
    hypervisor : str or None
        ``kvm``, ``qemu``, ``xen``, ...; ``unidentified`` for an unknown virtual machine;
        ``none`` for bare metal; None if it cannot be found out.
    container : str or None
        ``docker``, ``podman``, ...; ``unidentified`` for an unknown container; ``none``
        outside any container; None if it cannot be found out.
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
    """Return the facts about the environment of the kernel."""
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
    """Return the hypervisor, as found in the files that each kind provides."""
    cpuinfo = tree.text("proc/cpuinfo", limit_bytes=16 * 1024) or ""
    flags = re.search(r"^flags\s*:(.*)$", cpuinfo, re.MULTILINE)  # only x86 has this line
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
    # Clouds also rent whole machines under the same vendor name.
    if hardware.endswith(".metal"):
        return "none"
    return next((name for mark, name in _FIRMWARE.items() if mark in hardware), None)


def _container(tree: Tree) -> str | None:
    """Return the container's runtime.

    A marker file alone proves nothing, because root file systems of virtual machines are
    often made from container images.  The namespaces prove it.
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
