"""The facts about a machine, as text."""

from __future__ import annotations

from ebpf_overhead.machine.bpf import Bpf
from ebpf_overhead.machine.cpu import Cpu
from ebpf_overhead.machine.facts import Machine
from ebpf_overhead.machine.host import Host
from ebpf_overhead.machine.kernel import KernelFacts
from ebpf_overhead.machine.process import Privileges

UNKNOWN = "not known"


def summary(machine: Machine) -> list[tuple[str, str]]:
    """Return the facts as pairs of a label and its value, for people to read."""
    return [
        *_kernel(machine.kernel),
        *_host(machine.host),
        *_cpu(machine.cpu),
        *_bpf(machine.bpf),
        *_process(machine.process),
        ("mitigations", _mitigations(machine.cpu.vulnerabilities)),
    ]


def _kernel(kernel: KernelFacts) -> list[tuple[str, str]]:
    preemption = kernel.preemption or UNKNOWN
    if kernel.preemption and kernel.preemption_dynamic:
        preemption += " (dynamic)"
    ticks = f"{kernel.timer_hz} Hz" if kernel.timer_hz else UNKNOWN
    return [
        ("kernel", f"{kernel.release or UNKNOWN} {kernel.architecture or ''}".strip()),
        ("build", kernel.build or UNKNOWN),
        ("boot parameters", " ".join(kernel.boot_parameters) or "none of interest"),
        ("preemption", f"{preemption}; timer {ticks}"),
        ("random stack offset", _switch(kernel.kstack_offset_randomized)),
        ("clock source", kernel.clock_source or UNKNOWN),
        ("RCU grace periods", _grace_periods(kernel)),
        ("lockdown", kernel.lockdown or UNKNOWN),
    ]


def _grace_periods(kernel: KernelFacts) -> str:
    if kernel.rcu_expedited is None:
        return UNKNOWN
    if kernel.rcu_normal:
        return "none expedited"
    return "all expedited" if kernel.rcu_expedited else "expedited where the kernel asks for it"


def _host(host: Host) -> list[tuple[str, str]]:
    return [
        ("distribution", host.distribution or UNKNOWN),
        ("hardware", host.hardware or UNKNOWN),
        ("hypervisor", host.hypervisor or UNKNOWN),
        ("container", host.container or UNKNOWN),
        ("load", UNKNOWN if host.load_1min is None else f"{host.load_1min:.2f}"),
    ]


def _cpu(cpu: Cpu) -> list[tuple[str, str]]:
    return [
        ("CPU", cpu.model or UNKNOWN),
        ("logical CPUs", f"{cpu.online or UNKNOWN}; usable: {cpu.allowed or UNKNOWN}"),
        ("SMT", _switch(cpu.smt_active)),
        ("isolated", f"{_cpus(cpu.isolated)}; without tick: {_cpus(cpu.nohz_full)}"),
        ("frequency", _frequency(cpu)),
    ]


def _frequency(cpu: Cpu) -> str:
    if cpu.frequency_driver is None and cpu.turbo is None:
        return UNKNOWN if cpu.online is None else "not controlled by this kernel"
    governors = ", ".join(cpu.governors) or UNKNOWN
    driver = cpu.frequency_driver or UNKNOWN
    return f"governor {governors}; turbo {_switch(cpu.turbo)}; driver {driver}"


def _bpf(bpf: Bpf) -> list[tuple[str, str]]:
    jit = _word(bpf.jit_enable, "off", "on", "on, debugging")
    hardening = _word(bpf.jit_harden, "off", "for unprivileged users", "for all users")
    btf = {True: "present", False: "absent", None: UNKNOWN}[bpf.btf]
    unprivileged = _word(bpf.unprivileged_bpf_disabled, "allowed", "disabled for good", "disabled")
    paranoid = UNKNOWN if bpf.perf_event_paranoid is None else bpf.perf_event_paranoid
    return [
        ("BPF JIT", f"{jit}; hardening {hardening}"),
        ("BTF", btf),
        ("run statistics", _switch(bpf.stats_enabled)),
        ("kprobes registered", UNKNOWN if bpf.kprobes is None else f"{bpf.kprobes:,}"),
        ("unprivileged BPF", f"{unprivileged}; perf_event_paranoid {paranoid}"),
        ("BCC", bpf.bcc_version or "not found"),
    ]


def _process(process: Privileges) -> list[tuple[str, str]]:
    limit = process.memlock_limit_bytes
    memory = f"{limit // 1024} KiB" if isinstance(limit, int) else limit or UNKNOWN
    return [("privileges", _capabilities(process)), ("lockable memory", memory)]


def _capabilities(process: Privileges) -> str:
    if process.capabilities is None:
        return UNKNOWN
    held = [name for name, has in process.capabilities.items() if has]
    missing = [name for name, has in process.capabilities.items() if not has]
    words = ", ".join(held) or "none"
    if held and missing:
        words += f"; not {', '.join(missing)}"
    if held and process.first_user_namespace is False:
        words += " (of a user namespace)"
    return words


def _mitigations(vulnerabilities: dict[str, str]) -> str:
    """Return the kernel's text on each vulnerability of this CPU, one per line."""
    if not vulnerabilities:
        return UNKNOWN
    lines = [
        f"{name}: {state.removeprefix('Mitigation: ').split(';')[0]}"
        for name, state in vulnerabilities.items()
        if not state.startswith("Not affected")
    ]
    return "\n".join(lines) or "none needed"


def _switch(state: bool | None) -> str:
    return {True: "on", False: "off", None: UNKNOWN}[state]


def _word(number: int | None, *words: str) -> str:
    if number is None:
        return UNKNOWN
    return words[number] if 0 <= number < len(words) else str(number)


def _cpus(cpu_list: str | None) -> str:
    return UNKNOWN if cpu_list is None else cpu_list or "none"
