"""What would make measurements on a machine quieter or fairer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ebpf_overhead.machine.facts import Machine

# Read straight from a CPU register, in some 10 to 20 ns.
_REGISTER_CLOCKS = frozenset({"tsc", "arch_sys_counter", "riscv_clocksource", "timebase", "tod"})

# Above this share of the CPUs in use, other tasks get in the way of the measuring one.
_BUSY_SHARE = 0.25
_STEAL_PERCENT = 1.0


@dataclass(frozen=True)
class Advice:
    """One thing that could be better.

    Attributes
    ----------
    topic : str
        What it is about, in a word or two.
    seen : str
        The observed value.
    why : str
        Why it matters for a measurement.
    command : str or None
        What helps: a shell command, to be run as root, or words where none does it.
    """

    topic: str
    seen: str
    why: str
    command: str | None = None


def advice(machine: Machine) -> list[Advice]:
    """Return what could be better on a machine, the weightiest first.

    Parameters
    ----------
    machine : Machine
        As :func:`ebpf_overhead.machine.describe` returns it.  A fact that is unknown
        gives no advice.
    """
    return [found for check in _CHECKS if (found := check(machine)) is not None]


def _rights(machine: Machine) -> Advice | None:
    held = machine.process.capabilities
    if held is None:
        return None
    enough = held["CAP_SYS_ADMIN"] or (held["CAP_BPF"] and held["CAP_PERFMON"])
    if enough and machine.process.first_user_namespace is not False:
        return None
    return Advice(
        "rights",
        "capabilities of a user namespace only" if enough else "no CAP_BPF and CAP_PERFMON",
        "The kernel refuses to load tracing programs.",
        _way_to_rights(machine.host.container),
    )


def _way_to_rights(container: str | None) -> str:
    if container in ("docker", "podman"):
        return f"{container} run --privileged ..."
    return "run as root (sudo)" if container in (None, "none") else "run outside of the container"


def _lockdown(machine: Machine) -> Advice | None:
    if machine.kernel.lockdown != "confidentiality":
        return None
    return Advice(
        "lockdown",
        "confidentiality",
        "The kernel refuses kprobes, perf events and tracefs, so few attach types remain.",
        "boot with lockdown=integrity, or without Secure Boot",
    )


def _jit(machine: Machine) -> Advice | None:
    state = machine.bpf.jit_enable
    if state is None or state == 1:
        return None
    why = {
        0: "Programs are interpreted, many times slower than where anyone runs them.",
        2: "Every program that is loaded is dumped to the kernel's log.",
    }
    return Advice(
        "BPF JIT",
        {0: "off"}.get(state, "on, debugging"),
        why.get(state, why[2]),
        "sysctl net.core.bpf_jit_enable=1",
    )


def _jit_hardening(machine: Machine) -> Advice | None:
    if machine.bpf.jit_harden != 2:
        return None
    return Advice(
        "JIT hardening",
        "on for all users",
        "Constants are blinded, which adds instructions to every program. Leave it if"
        " production runs like that.",
        "sysctl net.core.bpf_jit_harden=1",
    )


def _run_statistics(machine: Machine) -> Advice | None:
    if not machine.bpf.stats_enabled:
        return None
    return Advice(
        "run statistics",
        "kernel.bpf_stats_enabled = 1",
        "The kernel reads the clock twice around every run of a program, and so adds to"
        " every overhead.",
        "sysctl kernel.bpf_stats_enabled=0",
    )


def _load(machine: Machine) -> Advice | None:
    load, cpus = machine.host.load_1min, machine.cpu.online
    if load is None or cpus is None or load <= _BUSY_SHARE * cpus:
        return None
    return Advice(
        "load",
        f"{load:.2f} tasks on {cpus} CPUs over the last minute",
        "Other tasks interrupt the measuring one and share its caches.",
        "ps -eo pcpu,pid,args --sort=-pcpu | head",
    )


def _governor(machine: Machine) -> Advice | None:
    governors = machine.cpu.governors
    if not governors or governors == ("performance",):
        return None
    return Advice(
        "frequency governor",
        ", ".join(governors),
        "The frequency follows the load, so the same instructions take different times.",
        "echo performance | tee /sys/devices/system/cpu/cpufreq/policy*/scaling_governor",
    )


def _turbo(machine: Machine) -> Advice | None:
    switch = machine.cpu.turbo_switch
    if not machine.cpu.turbo or switch is None:
        return None
    return Advice(
        "turbo",
        "on",
        "The frequency depends on temperature and on what the other cores do.",
        f"echo {1 if switch.endswith('no_turbo') else 0} > {switch}",
    )


def _smt(machine: Machine) -> Advice | None:
    if not machine.cpu.smt_active:
        return None
    return Advice(
        "SMT",
        "two logical CPUs share a core",
        "Whatever runs on the sibling slows the measuring CPU down.",
        "echo off > /sys/devices/system/cpu/smt/control",
    )


def _isolation(machine: Machine) -> Advice | None:
    isolated, cpus = machine.cpu.isolated, machine.cpu.online
    if isolated:
        return Advice(
            "isolated CPUs",
            isolated,
            "Nothing else is scheduled there: the quietest place to measure.",
            f"ebpf-overhead measure --cpu {isolated.replace('-', ',').split(',')[0]}",
        )
    if isolated is None or cpus is None or cpus < 2:
        return None
    last = cpus - 1
    return Advice(
        "isolated CPUs",
        "none",
        "Other tasks and timer ticks run on the measuring CPU. Windows are paired, so that"
        " costs precision more than truth.",
        f"boot with isolcpus={last} nohz_full={last} rcu_nocbs={last}",
    )


def _clock(machine: Machine) -> Advice | None:
    source = machine.kernel.clock_source
    if source is None or source in _REGISTER_CLOCKS:
        return None
    better = next((each for each in machine.kernel.clock_sources if each in _REGISTER_CLOCKS), None)
    switch = "/sys/bus/clocksource/devices/clocksource0/current_clocksource"
    return Advice(
        "clock source",
        source,
        "Programs that ask for the time (the complex one) pay for a slower clock.",
        f"echo {better} > {switch}" if better else None,
    )


def _virtual_machine(machine: Machine) -> Advice | None:
    if machine.host.hypervisor in (None, "none"):
        return None
    steal = machine.host.steal_percent
    return Advice(
        "virtual machine",
        f"{machine.host.hypervisor}" + ("" if steal is None else f", {steal:g} % of time stolen"),
        "The host may take the CPU away at any time, and interrupts cost an exit to it."
        + (" It does so here." if steal is not None and steal >= _STEAL_PERCENT else ""),
        "virsh vcpupin GUEST 0 CPU   (on the host, a CPU for each virtual CPU)",
    )


_CHECKS: tuple[Callable[[Machine], Advice | None], ...] = (
    _rights,
    _lockdown,
    _jit,
    _jit_hardening,
    _run_statistics,
    _load,
    _governor,
    _turbo,
    _smt,
    _virtual_machine,
    _isolation,
    _clock,
)
