"""The CPUs: model, frequency, sharing, isolation and mitigations."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ebpf_overhead.machine.tree import Tree
from ebpf_overhead.reading import cpu_numbers

_CPUS = "sys/devices/system/cpu"

# Each switch, with its value for "turbo is on".
_TURBO_SWITCHES = {f"{_CPUS}/intel_pstate/no_turbo": 0, f"{_CPUS}/cpufreq/boost": 1}

# MIDR_EL1 implementer and part numbers, as in the kernel's
# arch/arm64/include/asm/cputype.h: arm64's cpuinfo holds no names.
_ARM_CORES = {
    ("0x41", "0xd03"): "Arm Cortex-A53",
    ("0x41", "0xd08"): "Arm Cortex-A72",
    ("0x41", "0xd0b"): "Arm Cortex-A76",
    ("0x41", "0xd0c"): "Arm Neoverse N1",
    ("0x41", "0xd40"): "Arm Neoverse V1",
    ("0x41", "0xd49"): "Arm Neoverse N2",
    ("0x41", "0xd4f"): "Arm Neoverse V2",
    ("0x61", "0x022"): "Apple M1 Icestorm",
    ("0x61", "0x023"): "Apple M1 Firestorm",
    ("0xc0", "0xac3"): "Ampere-1",
}

# Enough for the first processor of any kind, and for about fifty on arm64.  The rest repeats
# this, and takes the kernel milliseconds on a large machine.
_CPUINFO_BYTES = 16 * 1024


@dataclass(frozen=True)
class Cpu:
    """The CPUs.

    Attributes
    ----------
    model : str or None
        Names of the distinct models, joined by " + ".
    online : int or None
        Number of logical CPUs.
    allowed : str or None
        CPUs that this process may use, as in ``0-3,8``.
    smt_active : bool or None
        Whether two logical CPUs share a core.
    frequency_driver : str or None
        ``intel_pstate``, ``acpi-cpufreq``, ...; None where the kernel (or guest) does not
        scale the frequency.
    governors : tuple of str
        The distinct frequency governors in use.
    turbo : bool or None
        Whether the frequency may exceed the nominal frequency.
    turbo_switch : str or None
        The file that switches turbo.
    isolated : str or None
        CPUs kept free of the scheduler (``isolcpus``); empty for none.
    nohz_full : str or None
        CPUs whose timer tick stops while one task runs; empty for none.
    vulnerabilities : dict of str to str
        The kernel's description of the mitigation, by vulnerability.
    """

    model: str | None
    online: int | None
    allowed: str | None
    smt_active: bool | None
    frequency_driver: str | None
    governors: tuple[str, ...]
    turbo: bool | None
    turbo_switch: str | None
    isolated: str | None
    nohz_full: str | None
    vulnerabilities: dict[str, str]


def read(tree: Tree) -> Cpu:
    """Return the facts about the CPUs."""
    status = tree.text("proc/self/status") or ""
    allowed = re.search(r"^Cpus_allowed_list:\s*(\S+)", status, re.MULTILINE)
    drivers = _values(tree, f"{_CPUS}/cpufreq", "policy*/scaling_driver")
    turbo_switch = next(filter(tree.exists, _TURBO_SWITCHES), None)
    return Cpu(
        model=_model(tree.text("proc/cpuinfo", _CPUINFO_BYTES) or ""),
        online=_count(tree.text(f"{_CPUS}/online")),
        allowed=allowed.group(1) if allowed else None,
        smt_active=tree.flag(f"{_CPUS}/smt/active"),
        frequency_driver=drivers[0] if drivers else None,
        governors=_values(tree, f"{_CPUS}/cpufreq", "policy*/scaling_governor"),
        turbo=_turbo(tree, turbo_switch),
        turbo_switch=f"/{turbo_switch}" if turbo_switch else None,
        isolated=tree.text(f"{_CPUS}/isolated"),
        nohz_full=_nohz_full(tree),
        vulnerabilities=_vulnerabilities(tree),
    )


def _values(tree: Tree, directory: str, pattern: str) -> tuple[str, ...]:
    """Return the distinct texts of all files that match, in order."""
    texts = {tree.text(path) for path in tree.matches(directory, pattern)}
    return tuple(sorted(text for text in texts if text))


def _model(cpuinfo: str) -> str | None:
    """Return the model from the ``cpuinfo`` of any architecture."""
    # x86, MIPS, POWER and RISC-V, in this order.
    for key in ("model name", "cpu model", "cpu", "uarch"):
        names = re.findall(rf"^{key}[ \t]*:[ \t]*(.+)$", cpuinfo, re.MULTILINE)
        if names:
            return " + ".join(dict.fromkeys(names))
    cores = re.findall(
        r"^CPU implementer\s*:\s*(\S+)$.*?^CPU part\s*:\s*(\S+)$", cpuinfo, re.M | re.S
    )
    names = [_ARM_CORES.get(core, "implementer {}, part {}".format(*core)) for core in cores]
    return " + ".join(dict.fromkeys(names)) or None


def _count(cpu_list: str | None) -> int | None:
    """Return the number of CPUs in a list; None of one that is garbled or empty."""
    return len(cpu_numbers(cpu_list or "")) or None


def _turbo(tree: Tree, switch: str | None) -> bool | None:
    value = tree.integer(switch) if switch else None
    return None if value is None else value == _TURBO_SWITCHES[switch or ""]


def _nohz_full(tree: Tree) -> str | None:
    # A kernel booted without the parameter says "(null)".  A kernel built without the
    # feature has no such file, but has "isolated" (Linux 4.0).
    text = tree.text(f"{_CPUS}/nohz_full")
    absent = text is None and tree.exists(f"{_CPUS}/isolated")
    return "" if absent or text == "(null)" else text


def _vulnerabilities(tree: Tree) -> dict[str, str]:
    paths = tree.matches(f"{_CPUS}/vulnerabilities", "*")
    return {path.rsplit("/", 1)[1]: text for path in paths if (text := tree.text(path))}
