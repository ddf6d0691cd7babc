"""Guests that have what others do not: boot arguments, another CPU model; and whether they do."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ebpf_overhead.architectures import ARCHITECTURES, X86_64, title
from ebpf_overhead.errors import BadUseError

# The kernel's own limit of a command line is 2048 bytes, and ours takes some of it.
_LONGEST_ARGUMENTS = 1024
_CPU_MODEL = re.compile(r"[A-Za-z0-9][\w.+-]*(,[+-]?[\w.-]+(=\w+)?)*", re.ASCII)


@dataclass(frozen=True)
class Variant:
    """What a guest has that others do not; its results are a series of their own.

    Parameters
    ----------
    boot_args : str
        Added to the kernel's command line.
    cpu_model : str
        A CPU model of QEMU's, with features if need be; the usual one if empty.

    Raises
    ------
    BadUseError
        They are not such.
    """

    boot_args: str = ""
    cpu_model: str = ""

    def __post_init__(self) -> None:
        if not self.boot_args.isprintable() or len(self.boot_args) > _LONGEST_ARGUMENTS:
            raise BadUseError(
                f"boot arguments of {len(self.boot_args)} characters, or with one that is no text",
                f"give at most {_LONGEST_ARGUMENTS} on one line",
            )
        if self.cpu_model and not _CPU_MODEL.fullmatch(self.cpu_model):
            raise BadUseError(
                f"no CPU model is called {self.cpu_model!r}", "QEMU's -cpu help lists them"
            )

    def __str__(self) -> str:
        """Return it for people; empty for the usual guest."""
        named = {"boot arguments": self.boot_args, "CPU": self.cpu_model}
        return ", ".join(f"{name} {value}" for name, value in named.items() if value)


USUAL = Variant()
# What emulated guests have if no CPU model is asked for, as results call it.
USUAL_CPU = "max"


def usual_cpu(arch: str) -> str:
    """Return what results call the CPU of emulated guests of an architecture, by its name.

    That of x86_64 has no architecture in it: the first results were of that.
    """
    return USUAL_CPU if arch == X86_64.name else f"{title(arch)}-{USUAL_CPU}"


USUAL_CPUS = frozenset(map(usual_cpu, ARCHITECTURES))

# Linux 5.14, commit 86d1919a4fb0d9c115dd1d3b969f5d1650e45408; older kernels say nothing.
_UNKNOWN = re.compile(r'Unknown kernel command line parameters "([^"]*)"')
# Those that the kernel reads from the line itself, and so calls unknown although it obeys them:
# arch/x86/kernel/cpu/bugs.c and arch/x86/mm/pti.c.
_READ_OTHERWISE = re.compile(
    r"(no)?(spectre_v[12](_user)?|spec_store_bypass_disable|pti)(=|$)", re.ASCII
)
# "warning: TCG doesn't support requested feature: CPUID.01H:ECX.pcid [bit 17]"
_NOT_EMULATED = re.compile(r"doesn't support requested feature: CPUID[^ ]*\.([\w-]+) \[")


def refuse_unknown(variant: Variant, boot_log: str) -> None:
    """Refuse boot arguments that the kernel does not know.

    Parameters
    ----------
    variant : Variant
        What was asked for.
    boot_log : str
        The kernel's messages.

    Raises
    ------
    BadUseError
        The kernel says so of one.
    """
    found = _UNKNOWN.search(boot_log)
    given = variant.boot_args.split()
    unknown = [
        each
        for each in given
        if found and each in found[1].split() and not _READ_OTHERWISE.match(each)
    ]
    if unknown:
        raise BadUseError(
            f"the kernel does not know the boot argument {unknown[0]}",
            "its Documentation/admin-guide/kernel-parameters.txt lists them",
        )


def not_emulated(qemu_log: str) -> list[str]:
    """Return the features of a CPU model that QEMU leaves out, as it names them."""
    return list(dict.fromkeys(_NOT_EMULATED.findall(qemu_log)))
