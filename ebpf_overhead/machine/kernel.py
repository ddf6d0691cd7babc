"""The running kernel: release, build and boot options, scheduling."""

from __future__ import annotations

import gzip
import os
import re
import zlib
from dataclasses import dataclass

from ebpf_overhead.machine.tree import Tree

# Boot parameters that change the cost of a system call or a probe, or how quiet a CPU is.
# Other parameters are not recorded, because a command line may hold private values.
_RELEVANT_PARAMETERS = """
    amd_pstate clocksource cpufreq.default_governor ibt idle intel_idle.max_cstate
    intel_pstate irqaffinity isolcpus l1tf lockdown maxcpus mds mitigations nmi_watchdog
    nohlt nohz nohz_full nokaslr nopti norandmaps nosmt preempt processor.max_cstate pti
    randomize_kstack_offset rcu_nocbs retbleed skew_tick spec_rstack_overflow
    spec_store_bypass_disable spectre_bhi spectre_v2 threadirqs tsc
"""

_PREEMPTION_OPTIONS = {
    "PREEMPT_RT": "rt",
    "PREEMPT": "full",
    "PREEMPT_LAZY": "lazy",
    "PREEMPT_VOLUNTARY": "voluntary",
    "PREEMPT_NONE": "none",
}

# The options of interest; a whole configuration has thousands.
_OPTION = re.compile(r"^CONFIG_(HZ|PREEMPT\w*|RANDOMIZE_KSTACK\w*)=(.*)$", re.MULTILINE)

_CLOCK = "sys/devices/system/clocksource/clocksource0"


@dataclass(frozen=True)
class KernelFacts:
    """The running kernel.

    Attributes
    ----------
    release : str or None
        ``uname -r``.
    build : str or None
        ``uname -v``: build number, configuration flags and date.
    architecture : str or None
        ``uname -m``.
    preemption : str or None
        ``none``, ``voluntary``, ``lazy``, ``full`` or ``rt``: the model in force.  Where
        that cannot be read, the model that the kernel was booted with.
    preemption_dynamic : bool or None
        Whether the model can be changed on the running kernel.
    timer_hz : int or None
        Ticks per second (``CONFIG_HZ``).
    kstack_offset_randomized : bool or None
        Whether every system call chooses a random stack offset, which is part of the
        baseline.
    lockdown : str or None
        ``none``, ``integrity`` or ``confidentiality``.
    clock_source : str or None
        The clock that the kernel reads, also for ``bpf_ktime_get_ns``.
    clock_sources : tuple of str
        The available clocks.
    boot_parameters : tuple of str
        Parameters of the kernel's command line that influence measurements.
    rcu_expedited, rcu_normal : bool or None
        Whether all grace periods of RCU are hurried, which detaching waits for; whether none is,
        which comes first where both are set.
    """

    release: str | None
    build: str | None
    architecture: str | None
    preemption: str | None
    preemption_dynamic: bool | None
    timer_hz: int | None
    kstack_offset_randomized: bool | None
    lockdown: str | None
    clock_source: str | None
    clock_sources: tuple[str, ...]
    boot_parameters: tuple[str, ...]
    rcu_expedited: bool | None
    rcu_normal: bool | None


def read(tree: Tree) -> KernelFacts:
    """Return the facts about the kernel."""
    release = tree.text("proc/sys/kernel/osrelease")
    build = tree.text("proc/sys/kernel/version")
    parameters = (tree.text("proc/cmdline") or "").split()
    config = _config(tree, release)
    return KernelFacts(
        release=release,
        build=build,
        architecture=_architecture(tree),
        preemption=_preemption(tree, parameters, config),
        preemption_dynamic=None if build is None else "PREEMPT_DYNAMIC" in build,
        timer_hz=int(config["HZ"]) if "HZ" in config else None,
        kstack_offset_randomized=_kstack_offset_randomized(parameters, config),
        lockdown=_chosen(tree.pseudo_text("securityfs", "lockdown"), r"\[(\w+)\]"),
        clock_source=tree.text(f"{_CLOCK}/current_clocksource"),
        clock_sources=tuple((tree.text(f"{_CLOCK}/available_clocksource") or "").split()),
        boot_parameters=_relevant(parameters),
        rcu_expedited=tree.flag("sys/kernel/rcu_expedited"),
        rcu_normal=tree.flag("sys/kernel/rcu_normal"),
    )


def _relevant(parameters: list[str]) -> tuple[str, ...]:
    names = frozenset(_RELEVANT_PARAMETERS.split())
    return tuple(each for each in parameters if each.split("=")[0] in names)


def _architecture(tree: Tree) -> str | None:
    # The file exists since Linux 6.1.
    return tree.text("proc/sys/kernel/arch") or (os.uname().machine if tree.live else None)


def _config(tree: Tree, release: str | None) -> dict[str, str]:
    """Return the options of interest that are set; empty if the configuration is unknown."""
    text = _packed_config(tree)
    for path in (f"boot/config-{release}", f"lib/modules/{release}/config"):
        text = text or tree.text(path)
    return dict(_OPTION.findall(text or ""))


def _packed_config(tree: Tree) -> str | None:
    packed = tree.raw("proc/config.gz")
    try:
        return None if packed is None else gzip.decompress(packed).decode(errors="replace")
    except (OSError, EOFError, zlib.error):
        return None


def _preemption(tree: Tree, parameters: list[str], config: dict[str, str]) -> str | None:
    if tree.flag("sys/kernel/realtime"):
        return "rt"
    in_force = _chosen(tree.pseudo_text("debugfs", "sched/preempt"), r"\((\w+)\)")
    if in_force:
        return in_force
    if "PREEMPT_DYNAMIC" in config and (asked := _parameter(parameters, "preempt")):
        return asked
    configured = (model for option, model in _PREEMPTION_OPTIONS.items() if option in config)
    return next(configured, None)


def _kstack_offset_randomized(parameters: list[str], config: dict[str, str]) -> bool | None:
    if not config:
        return None
    if "RANDOMIZE_KSTACK_OFFSET" in config and (
        asked := _parameter(parameters, "randomize_kstack_offset")
    ):
        return asked.lower() in ("1", "on", "y", "yes")
    return "RANDOMIZE_KSTACK_OFFSET_DEFAULT" in config


def _parameter(parameters: list[str], name: str) -> str | None:
    """Return the last value given to a boot parameter."""
    values = [each.partition("=")[2] for each in parameters if each.startswith(f"{name}=")]
    return values[-1] if values else None


def _chosen(text: str | None, pattern: str) -> str | None:
    """Return the item that is marked as chosen in a list of choices."""
    match = re.search(pattern, text or "")
    return match.group(1) if match else None
