"""The facts about machines: fake machines in full, and the running machine where possible."""

from __future__ import annotations

import json
import os
import time
from dataclasses import fields
from pathlib import Path

import pytest
from machine_trees import (
    ARM64_SERVER,
    BCC,
    CLOCK,
    CONTAINER,
    CONTAINER_LINKS,
    CPUS,
    FIRST_NAMESPACES,
    LAPTOP,
    MINIMAL_VM,
    plant,
)

from ebpf_overhead.machine import describe
from ebpf_overhead.machine.summary import summary


def test_laptop(tmp_path):
    machine = describe(plant(tmp_path, LAPTOP, {**FIRST_NAMESPACES, **BCC}))
    assert machine.as_dict() == {
        "kernel": {
            "release": "6.12.48+deb13-amd64",
            "build": "#1 SMP PREEMPT_DYNAMIC Debian 6.12.48-1 (2025-09-20)",
            "architecture": "x86_64",
            "preemption": "voluntary",
            "preemption_dynamic": True,
            "timer_hz": 250,
            "kstack_offset_randomized": True,
            "lockdown": "integrity",
            "clock_source": "hpet",
            "clock_sources": ["tsc", "hpet", "acpi_pm"],
            "boot_parameters": ["preempt=voluntary", "mitigations=off"],
            "rcu_expedited": True,
            "rcu_normal": False,
        },
        "cpu": {
            "model": "11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz",
            "online": 8,
            "allowed": "0-7",
            "smt_active": True,
            "frequency_driver": "intel_pstate",
            "governors": ["powersave"],
            "turbo": True,
            "turbo_switch": "/sys/devices/system/cpu/intel_pstate/no_turbo",
            "isolated": "",
            "nohz_full": "",
            "vulnerabilities": {
                "meltdown": "Not affected",
                "spectre_v2": "Mitigation: Enhanced IBRS; IBPB: conditional",
            },
        },
        "host": {
            "distribution": "Debian GNU/Linux 13 (trixie)",
            "hardware": "LENOVO 20XW00AYGE",
            "hypervisor": "none",
            "container": "none",
            "load_1min": 0.31,
            "steal_percent": 0.0,
        },
        "bpf": {
            "jit_enable": 1,
            "jit_harden": 0,
            "btf": True,
            "stats_enabled": False,
            "unprivileged_bpf_disabled": 2,
            "perf_event_paranoid": 3,
            "bcc_version": "0.31.0",
            "kprobes": 2,
        },
        "process": {
            "capabilities": {
                "CAP_BPF": True,
                "CAP_NET_ADMIN": True,
                "CAP_PERFMON": True,
                "CAP_SYS_ADMIN": True,
                "CAP_SYS_RESOURCE": True,
            },
            "first_user_namespace": True,
            "memlock_limit_bytes": "unlimited",
        },
    }


def test_arm64_server(tmp_path):
    machine = describe(plant(tmp_path, ARM64_SERVER))
    assert machine.kernel.architecture == "aarch64"
    assert machine.kernel.preemption == "voluntary"
    assert machine.kernel.preemption_dynamic is False
    assert machine.kernel.kstack_offset_randomized is False
    assert machine.kernel.boot_parameters == ("isolcpus=4-7", "nohz_full=4-7")
    assert machine.cpu.model == "Arm Neoverse N1"
    assert (machine.cpu.online, machine.cpu.allowed) == (8, "0-3")
    assert (machine.cpu.isolated, machine.cpu.nohz_full) == ("4-7", "4-7")
    assert machine.cpu.turbo is None
    assert machine.host.distribution == "Debian GNU/Linux 12 (bookworm)"
    # Nothing on arm64 proves that there is no hypervisor.
    assert machine.host.hypervisor is None


def test_container(tmp_path):
    machine = describe(plant(tmp_path, CONTAINER, CONTAINER_LINKS))
    assert machine.host.container == "docker"
    assert machine.host.hypervisor == "kvm"
    assert machine.host.steal_percent == 2.0
    assert machine.bpf.jit_enable is None
    assert machine.bpf.bcc_version is None
    assert machine.process.capabilities is not None
    assert not any(machine.process.capabilities.values())
    assert machine.process.memlock_limit_bytes == 65536


def test_minimal_virtual_machine(tmp_path):
    machine = describe(plant(tmp_path, MINIMAL_VM))
    assert machine.host.hypervisor == "unidentified"
    assert machine.host.container == "none"  # in spite of /.dockerenv
    assert machine.kernel.preemption is None
    assert machine.kernel.preemption_dynamic is True
    assert machine.kernel.timer_hz is None
    assert machine.kernel.lockdown is None
    assert machine.bpf.btf is False
    # This kernel was built without the feature: its file is missing, its neighbour is not.
    assert machine.cpu.nohz_full == ""


def test_nothing_is_guessed_from_an_empty_tree(tmp_path):
    machine = describe(tmp_path)
    for part in fields(machine):
        group = getattr(machine, part.name)
        for fact in fields(group):
            value = getattr(group, fact.name)
            assert value is None or value in ((), {}), f"{part.name}.{fact.name} = {value!r}"


def test_garbled_files_count_as_unknown(tmp_path):
    garbled = dict.fromkeys(LAPTOP, b"\xff\xfe nonsense \x00")
    garbled["proc/config.gz"] = b"\x1f\x8b truncated"
    machine = describe(plant(tmp_path, garbled))
    assert machine.bpf.jit_enable is None
    assert machine.cpu.smt_active is None
    assert machine.cpu.online is None
    assert machine.kernel.timer_hz is None
    assert machine.kernel.lockdown is None
    assert machine.host.load_1min is None
    assert machine.host.steal_percent is None
    assert machine.process.memlock_limit_bytes is None


@pytest.mark.parametrize(
    ("changes", "model"),
    [
        ({"sys/kernel/debug/sched/preempt": "none voluntary (full) lazy \n"}, "full"),
        ({"sys/kernel/realtime": "1\n"}, "rt"),
        ({"proc/cmdline": "quiet\n"}, "full"),
        ({"proc/cmdline": "preempt=full preempt=lazy\n"}, "lazy"),
        ({}, "voluntary"),
    ],
)
def test_preemption(tmp_path, changes, model):
    assert describe(plant(tmp_path, {**LAPTOP, **changes})).kernel.preemption == model


def test_static_kernel_ignores_the_preemption_parameter(tmp_path):
    files = {**ARM64_SERVER, "proc/cmdline": "preempt=full\n"}
    assert describe(plant(tmp_path, files)).kernel.preemption == "voluntary"


def test_stack_offset_parameter_overrides_the_configuration(tmp_path):
    files = {**LAPTOP, "proc/cmdline": "randomize_kstack_offset=off\n"}
    machine = describe(plant(tmp_path, files))
    assert machine.kernel.kstack_offset_randomized is False
    assert machine.kernel.boot_parameters == ("randomize_kstack_offset=off",)


X86_GUEST = {"proc/cpuinfo": "flags\t: fpu hypervisor\n"}


@pytest.mark.parametrize(
    ("files", "hypervisor"),
    [
        ({"proc/cpuinfo": "flags\t: fpu\n", "sys/class/dmi/id/sys_vendor": "QEMU"}, "none"),
        ({**X86_GUEST, "sys/class/dmi/id/sys_vendor": "QEMU"}, "qemu"),
        (
            {
                **X86_GUEST,
                "sys/class/dmi/id/sys_vendor": "QEMU",
                f"{CLOCK}/available_clocksource": "kvm-clock tsc",
            },
            "kvm",
        ),
        ({**X86_GUEST, f"{CLOCK}/available_clocksource": "hyperv_clocksource_msr"}, "microsoft"),
        ({**X86_GUEST, "sys/class/dmi/id/product_name": "VirtualBox"}, "oracle"),
        ({"sys/hypervisor/type": "xen\n"}, "xen"),
        ({"proc/device-tree/hypervisor/compatible": "linux,kvm\0"}, "kvm"),
        ({"proc/device-tree/hypervisor/compatible": "xen,xen-4.17\0xen,xen\0"}, "xen"),
        (
            {
                "sys/class/dmi/id/sys_vendor": "Amazon EC2",
                "sys/class/dmi/id/product_name": "c7g.metal",
            },
            "none",
        ),
        ({"sys/class/dmi/id/sys_vendor": "Amazon EC2"}, "amazon"),
    ],
)
def test_hypervisor(tmp_path, files, hypervisor):
    assert describe(plant(tmp_path, files)).host.hypervisor == hypervisor


@pytest.mark.parametrize(
    ("files", "container"),
    [
        ({"run/.containerenv": ""}, "podman"),
        ({"run/systemd/container": "systemd-nspawn\n"}, "systemd-nspawn"),
        ({"proc/1/cgroup": "0::/kubepods.slice/kubepods-pod1.slice\n"}, "kubernetes"),
        ({}, "unidentified"),
    ],
)
def test_container_runtimes(tmp_path, files, container):
    assert describe(plant(tmp_path, files, CONTAINER_LINKS)).host.container == container


def test_host_pid_namespace_does_not_hide_a_container(tmp_path):
    links = {**CONTAINER_LINKS, "proc/self/ns/pid": "pid:[4026531836]"}
    assert describe(plant(tmp_path, CONTAINER, links)).host.container == "docker"


def test_two_kinds_of_core(tmp_path):
    core = "CPU implementer\t: 0x41\nCPU part\t: {}\n\n"
    files = {"proc/cpuinfo": core.format("0xd03") + core.format("0xfff") + core.format("0xd03")}
    model = describe(plant(tmp_path, files)).cpu.model
    assert model == "Arm Cortex-A53 + implementer 0x41, part 0xfff"


@pytest.mark.parametrize(
    ("switch", "value", "turbo"),
    [
        ("intel_pstate/no_turbo", "1", False),
        ("intel_pstate/no_turbo", "0", True),
        ("cpufreq/boost", "1", True),
        ("cpufreq/boost", "0", False),
    ],
)
def test_turbo_switches(tmp_path, switch, value, turbo):
    cpu = describe(plant(tmp_path, {f"{CPUS}/{switch}": value})).cpu
    assert (cpu.turbo, cpu.turbo_switch) == (turbo, f"/{CPUS}/{switch}")


def test_online_list_with_gaps(tmp_path):
    assert describe(plant(tmp_path, {f"{CPUS}/online": "0-3,8,10-11\n"})).cpu.online == 7


def test_running_machine():
    before = Path("/proc/self/mountinfo").read_text()
    machine = describe()
    assert Path("/proc/self/mountinfo").read_text() == before
    assert machine.kernel.release == os.uname().release
    assert machine.kernel.build == os.uname().version
    assert machine.kernel.architecture == os.uname().machine
    assert machine.cpu.online == os.sysconf("SC_NPROCESSORS_ONLN")
    record = machine.as_dict()
    assert json.loads(json.dumps(record)) == record


def test_describing_takes_less_than_20_ms_of_cpu():
    def once() -> float:
        start = time.thread_time()
        describe()
        return time.thread_time() - start

    # Whatever else runs here only adds: the least of many is its own time.
    assert min(once() for _ in range(50)) < 0.020


@pytest.mark.parametrize(
    ("expedited", "normal", "said"),
    [("1", "0", "all expedited"), ("1", "1", "none expedited"), ("0", "0", "expedited where")],
)
def test_which_grace_periods_are_hurried(tmp_path, expedited, normal, said):
    files = {"sys/kernel/rcu_expedited": expedited, "sys/kernel/rcu_normal": normal}
    assert dict(summary(describe(plant(tmp_path, {**LAPTOP, **files}))))[
        "RCU grace periods"
    ].startswith(said)
