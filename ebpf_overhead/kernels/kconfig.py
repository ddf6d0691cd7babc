"""A kernel's build configuration: its digest and what matters to a measurement."""

from __future__ import annotations

import hashlib
import re

_SET = re.compile(r"^(CONFIG_\w+)=(.*)$", re.MULTILINE)

# This is part of kernel.json and so of every kernel's commit hash: a change here orphans all
# stored results, also those of others.
# Name in kernel.json -> options, newest name first.  Options are renamed between releases:
# 6.9 moved CPU mitigations to CONFIG_MITIGATION_*.
FEATURES: dict[str, tuple[str, ...]] = {
    "btf": ("CONFIG_DEBUG_INFO_BTF",),
    "bpf_syscall": ("CONFIG_BPF_SYSCALL",),
    "bpf_jit": ("CONFIG_BPF_JIT",),
    "bpf_jit_always_on": ("CONFIG_BPF_JIT_ALWAYS_ON",),
    "kprobes": ("CONFIG_KPROBES",),
    "kprobe_events": ("CONFIG_KPROBE_EVENTS",),
    "optprobes": ("CONFIG_OPTPROBES",),
    "uprobe_events": ("CONFIG_UPROBE_EVENTS",),
    "fprobe": ("CONFIG_FPROBE",),
    "ftrace": ("CONFIG_FUNCTION_TRACER",),
    "dynamic_ftrace": ("CONFIG_DYNAMIC_FTRACE",),
    "ftrace_syscalls": ("CONFIG_FTRACE_SYSCALLS",),
    "ibt": ("CONFIG_X86_KERNEL_IBT",),
    "pti": ("CONFIG_MITIGATION_PAGE_TABLE_ISOLATION", "CONFIG_PAGE_TABLE_ISOLATION"),
    "retpoline": ("CONFIG_MITIGATION_RETPOLINE", "CONFIG_RETPOLINE"),
    "rethunk": ("CONFIG_MITIGATION_RETHUNK", "CONFIG_RETHUNK"),
    "randomize_kstack_offset": ("CONFIG_RANDOMIZE_KSTACK_OFFSET_DEFAULT",),
    "kaslr": ("CONFIG_RANDOMIZE_BASE",),
    "preempt_dynamic": ("CONFIG_PREEMPT_DYNAMIC",),
    "preempt_rt": ("CONFIG_PREEMPT_RT",),
    "preempt_lazy": ("CONFIG_PREEMPT_LAZY",),
    "hz": ("CONFIG_HZ",),
    "ninep": ("CONFIG_9P_FS",),
    "virtio_pci": ("CONFIG_VIRTIO_PCI",),
}


def options(config: str) -> dict[str, str]:
    """Return every option that is set, with its value as written."""
    return dict(_SET.findall(config))


def digest(config: str) -> str:
    """Return a digest of what is set, whatever the file's comments and order.

    The compiler's own description (``CONFIG_CC_VERSION_TEXT``) counts: another compiler
    makes another kernel.

    Returns
    -------
    str
        SHA-256, hexadecimal.
    """
    lines = sorted(f"{name}={value}" for name, value in options(config).items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def features(config: str) -> dict[str, str]:
    """Return the value of each option of `FEATURES`.

    Returns
    -------
    dict
        ``y``, ``m``, ``n`` (not set, or unknown to this kernel) or a number.
    """
    values = options(config)
    found = {}
    for name, candidates in FEATURES.items():
        known = [values[option] for option in candidates if option in values]
        found[name] = known[0] if known else "n"
    return found
