"""A kernel's build configuration: its digest, and the options that matter to measurements."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from ebpf_overhead.errors import BadUseError
from ebpf_overhead.printable import shortened
from ebpf_overhead.reading import read_text
from ebpf_overhead.trust import trusted_users

# Of all options together; Debian's have 280 kB.
LARGEST_BYTES = 4 << 20
_LINE = re.compile(r"(?:#.*|CONFIG_\w+=.*|\s*)")
_VALUE = re.compile(r"[ymn]|-?\d{1,20}|0x[0-9A-Fa-f]{1,16}")
_SET = re.compile(r"^(CONFIG_\w+)=(.*)$", re.MULTILINE)

# Part of kernel.json, and so of every kernel's commit hash: a change here separates all stored
# results from their kernels, everywhere.
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


def read(path: Path) -> str:
    """Return the text of a build configuration that may be copied and shown to everybody.

    Parameters
    ----------
    path : Path
        The file.  Another user's symbolic link may lead only to a file of that user: it
        could lead to one that this process may read and that user may not.

    Raises
    ------
    BadUseError
        When the file holds anything but options and comments, or may not be followed to.
    """
    remedy = "give a file that the kernel's build made"
    text = read_text(path, limit_bytes=LARGEST_BYTES, error=BadUseError, remedy=remedy)
    link, target = path.lstat(), path.stat()
    if link.st_uid not in {*trusted_users(), target.st_uid}:
        raise BadUseError(
            f"{path} is not read: user {link.st_uid} made it a link to a file of user "
            f"{target.st_uid}",
            remedy,
        )
    return check(text, path)


def check(text: str, where: Path) -> str:
    """Return a configuration's text if it is one; `where` is named in the error.

    Raises
    ------
    BadUseError
        When it is none.
    """
    lines = enumerate(text.split("\n"), 1)
    wrong = next((number for number, line in lines if not _LINE.fullmatch(line)), None)
    if wrong is not None:
        raise BadUseError(f"{where} is no kernel configuration: line {wrong} sets no option")
    for name, value in features(text).items():
        if not _VALUE.fullmatch(value):
            raise BadUseError(f"{where}: {FEATURES[name][0]} is set to {shortened(value)!r}")
    return text


def options(config: str) -> dict[str, str]:
    """Return every option that is set, with its value as written."""
    return dict(_SET.findall(config))


def digest(config: str) -> str:
    """Return a digest of the options that are set, independent of comments and order.

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
