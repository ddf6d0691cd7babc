"""What would make measurements on a machine quieter or fairer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ebpf_overhead.bpf.privileges import suffices
from ebpf_overhead.machine.bpf import MANY_KPROBES
from ebpf_overhead.machine.facts import Machine

# Read directly from a CPU register, in about 10 to 20 ns.
_REGISTER_CLOCKS = frozenset({"tsc", "arch_sys_counter", "riscv_clocksource", "timebase", "tod"})

# Above this share of busy CPUs, other tasks disturb the measuring task.
_BUSY_SHARE = 0.25
_STEAL_PERCENT = 1.0


@dataclass(frozen=True)
class Advice:
    """An improvement of the machine.

    Attributes
    ----------
    topic : str
        The subject, in one or two words.
    seen : str
        The observed value.
    why : str
        Why it matters for a measurement.
    command : str or None
        What helps: a shell command to run as root, or words where no command does it.
    """

    topic: str
    seen: str
    why: str
    command: str | None = None


def advice(machine: Machine) -> list[Advice]:
    """Return the improvements of a machine, the most important first.

    Parameters
    ----------
    machine : Machine
        The facts from :func:`ebpf_overhead.machine.describe`.  An unknown fact gives no
        advice.
    """
    return [found for check in _CHECKS for found in check(machine)]


def _privileges(machine: Machine) -> Iterator[Advice]:
    held = machine.process.capabilities
    if held is None:
        return
    enough = suffices({name for name, holds in held.items() if holds})
    if enough and machine.process.first_user_namespace is not False:
        return
    yield Advice(
        "privileges",
        "capabilities of a user namespace only" if enough else "no CAP_BPF and CAP_PERFMON",
        "The kernel refuses to load tracing programs.",
        _how_to_get_privileges(machine.host.container),
    )


def _how_to_get_privileges(container: str | None) -> str:
    if container in ("docker", "podman"):
        return f"{container} run --privileged ..."
    return "run as root (sudo)" if container in (None, "none") else "run outside the container"


def _kernel_settings(machine: Machine) -> Iterator[Advice]:
    if machine.kernel.lockdown == "confidentiality":
        yield Advice(
            "lockdown",
            "confidentiality",
            "The kernel refuses kprobes, perf events and tracefs, so few attach types remain.",
            "boot with lockdown=integrity, or without Secure Boot",
        )
    jit = machine.bpf.jit_enable
    if jit is not None and jit != 1:
        interpreted = "Programs are interpreted, which is many times slower than on other machines."
        yield Advice(
            "BPF JIT",
            "on, debugging" if jit else "off",
            "The kernel dumps every loaded program to its log." if jit else interpreted,
            "sysctl net.core.bpf_jit_enable=1",
        )
    if machine.bpf.jit_harden == 2:
        yield Advice(
            "JIT hardening",
            "on for all users",
            "Constants are blinded, which adds instructions to every program. Keep it if"
            " production uses it.",
            "sysctl net.core.bpf_jit_harden=1",
        )
    if machine.bpf.stats_enabled:
        yield Advice(
            "run statistics",
            "kernel.bpf_stats_enabled = 1",
            "The kernel reads the clock twice per run of a program, which adds to every overhead.",
            "sysctl kernel.bpf_stats_enabled=0",
        )
    if (machine.bpf.kprobes or 0) >= MANY_KPROBES:
        yield Advice(
            "kprobes",
            f"{machine.bpf.kprobes:,} registered",
            "The kernel keeps them in 64 lists and searches one at each hit, the newest first: an"
            " old kprobe is more expensive than one that is measured now.",
            "sort /sys/kernel/debug/kprobes/list: who registered them?",
        )


def _load(machine: Machine) -> Iterator[Advice]:
    load, cpus = machine.host.load_1min, machine.cpu.online
    if load is not None and cpus is not None and load > _BUSY_SHARE * cpus:
        yield Advice(
            "load",
            f"{load:.2f} tasks on {cpus} CPUs over the last minute",
            "Other tasks interrupt the measuring task and share its caches.",
            "ps -eo pcpu,pid,args --sort=-pcpu | head",
        )


def _frequency_and_sharing(machine: Machine) -> Iterator[Advice]:
    cpu = machine.cpu
    if cpu.governors and cpu.governors != ("performance",):
        yield Advice(
            "frequency governor",
            ", ".join(cpu.governors),
            "The frequency follows the load, so the same instructions take different times.",
            "echo performance | tee /sys/devices/system/cpu/cpufreq/policy*/scaling_governor",
        )
    if cpu.turbo and cpu.turbo_switch is not None:
        off = 1 if cpu.turbo_switch.endswith("no_turbo") else 0
        yield Advice(
            "turbo",
            "on",
            "The frequency depends on the temperature and on the other cores.",
            f"echo {off} > {cpu.turbo_switch}",
        )
    if cpu.smt_active:
        yield Advice(
            "SMT",
            "two logical CPUs share a core",
            "Tasks on the sibling slow down the measuring CPU.",
            "echo off > /sys/devices/system/cpu/smt/control",
        )
    if machine.host.hypervisor not in (None, "none"):
        yield _virtual_machine(machine)


def _virtual_machine(machine: Machine) -> Advice:
    steal = machine.host.steal_percent
    return Advice(
        "virtual machine",
        f"{machine.host.hypervisor}" + ("" if steal is None else f", {steal:g} % of time stolen"),
        "The host may take the CPU away at any time, and interrupts cost an exit to the host."
        + (" It takes the CPU here." if steal is not None and steal >= _STEAL_PERCENT else ""),
        "virsh vcpupin GUEST 0 CPU   (on the host, one CPU per virtual CPU)",
    )


def _isolation(machine: Machine) -> Iterator[Advice]:
    isolated, cpus = machine.cpu.isolated, machine.cpu.online
    if isolated:
        yield Advice(
            "isolated CPUs",
            isolated,
            "No other task is scheduled there: it is the quietest CPU.",
            f"ebpf-overhead measure --cpu {isolated.replace('-', ',').split(',')[0]}",
        )
    elif isolated is not None and cpus is not None and cpus > 1:
        last = cpus - 1
        yield Advice(
            "isolated CPUs",
            "none",
            "Other tasks and timer ticks run on the measuring CPU. Windows are paired, so the"
            " results are less precise, but hardly biased.",
            f"boot with isolcpus={last} nohz_full={last} rcu_nocbs={last}",
        )


def _clock(machine: Machine) -> Iterator[Advice]:
    source = machine.kernel.clock_source
    if source is None or source in _REGISTER_CLOCKS:
        return
    better = next((each for each in machine.kernel.clock_sources if each in _REGISTER_CLOCKS), None)
    switch = "/sys/bus/clocksource/devices/clocksource0/current_clocksource"
    yield Advice(
        "clock source",
        source,
        "Programs that read the clock (such as complex) pay for a slower clock.",
        f"echo {better} > {switch}" if better else None,
    )


_CHECKS: tuple[Callable[[Machine], Iterator[Advice]], ...] = (
    _privileges,
    _kernel_settings,
    _load,
    _frequency_and_sharing,
    _isolation,
    _clock,
)
