"""What the kernel was told about BPF, and the BPF compiler that is installed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ebpf_overhead.architectures import ARCHITECTURES
from ebpf_overhead.machine.tree import Tree

# Where distributions put libraries: of each architecture apart, or all of them together.
_LIBRARIES = (
    *(f"usr/lib/{each.triplet}" for each in ARCHITECTURES.values()),
    *("usr/lib64", "usr/lib", "usr/local/lib"),
)

# From so many kprobes on, a hit may go past others: the kernel keeps them in 64 lists, by their
# addresses (KPROBE_HASH_BITS).
MANY_KPROBES = 64


@dataclass(frozen=True)
class Bpf:
    """BPF on this machine.  Numbers are those of the sysctl of the same name.

    Attributes
    ----------
    jit_enable : int or None
        0: programs are interpreted; 1: compiled; 2: compiled, and dumped to the log.
    jit_harden : int or None
        0: off; 1: for unprivileged users; 2: for all.
    btf : bool or None
        Whether the kernel describes its types, which ``tp_btf`` and ``fentry`` need.
    stats_enabled : bool or None
        Whether the kernel counts and times every run of every program.
    unprivileged_bpf_disabled : int or None
        0: anyone may load simple programs; 1: not until reboot; 2: not now.
    perf_event_paranoid : int or None
        What perf_event_open(2) allows without CAP_PERFMON; less is more.
    bcc_version : str or None
        Version of BCC; None where it is not installed.
    kprobes : int or None
        Kprobes that are registered, by whoever it was.
    """

    jit_enable: int | None
    jit_harden: int | None
    btf: bool | None
    stats_enabled: bool | None
    unprivileged_bpf_disabled: int | None
    perf_event_paranoid: int | None
    bcc_version: str | None
    kprobes: int | None = None


def read(tree: Tree) -> Bpf:
    """Return the facts about BPF."""
    return Bpf(
        jit_enable=tree.integer("proc/sys/net/core/bpf_jit_enable"),
        jit_harden=tree.integer("proc/sys/net/core/bpf_jit_harden"),
        btf=tree.exists("sys/kernel/btf/vmlinux") if tree.exists("sys/kernel") else None,
        stats_enabled=tree.flag("proc/sys/kernel/bpf_stats_enabled"),
        unprivileged_bpf_disabled=tree.integer("proc/sys/kernel/unprivileged_bpf_disabled"),
        perf_event_paranoid=tree.integer("proc/sys/kernel/perf_event_paranoid"),
        bcc_version=_bcc_version(tree),
        kprobes=_kprobes(tree),
    )


def _kprobes(tree: Tree) -> int | None:
    listed = tree.pseudo_text("debugfs", "kprobes/list")
    return None if listed is None else len(listed.splitlines())


def _bcc_version(tree: Tree) -> str | None:
    """Return BCC's version, which is in the name of its library's file: libbcc.so.0.26.0.

    The usual link to it is looked for, because searching all libraries takes long.
    """
    targets = (tree.link(f"{place}/libbcc.so.0") for place in _LIBRARIES)
    names = [Path(target).name for target in targets if target is not None]
    return names[0].removeprefix("libbcc.so.") if names else None
