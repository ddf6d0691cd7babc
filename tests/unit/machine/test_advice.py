"""The advice for each kind of machine, and none for unknown facts."""

from __future__ import annotations

import pytest
from machine_trees import (
    ARM64_SERVER,
    CLOCK,
    CONTAINER,
    CONTAINER_LINKS,
    CPUS,
    FIRST_NAMESPACES,
    LAPTOP,
    MINIMAL_VM,
    plant,
)

from ebpf_overhead.machine import Advice, advice, describe


def topics(root, files, links=FIRST_NAMESPACES) -> dict[str, Advice]:
    found = advice(describe(plant(root, files, links)))
    assert len({each.topic for each in found}) == len(found)
    return {each.topic: each for each in found}


def test_laptop(tmp_path):
    found = topics(tmp_path, LAPTOP)
    assert list(found) == ["frequency governor", "turbo", "SMT", "isolated CPUs", "clock source"]
    assert found["frequency governor"].seen == "powersave"
    assert found["turbo"].command == "echo 1 > /sys/devices/system/cpu/intel_pstate/no_turbo"
    assert found["isolated CPUs"].command == "boot with isolcpus=7 nohz_full=7 rcu_nocbs=7"
    assert found["clock source"].command == (
        "echo tsc > /sys/bus/clocksource/devices/clocksource0/current_clocksource"
    )


def test_many_kprobes_make_each_expensive(tmp_path):
    listed = "".join(f"ffffffff8{number:07x}  k  f{number}+0x0\n" for number in range(1000))
    found = topics(tmp_path, LAPTOP | {"sys/kernel/debug/kprobes/list": listed})
    assert found["kprobes"].seen == "1,000 registered"


def test_arm64_server_gets_one_advice(tmp_path):
    found = topics(tmp_path, ARM64_SERVER)
    assert list(found) == ["isolated CPUs"]
    assert found["isolated CPUs"].command == "ebpf-overhead measure --cpu 4"


def test_container(tmp_path):
    found = topics(tmp_path, CONTAINER, CONTAINER_LINKS)
    assert list(found) == [
        "privileges",
        "run statistics",
        "load",
        "virtual machine",
        "isolated CPUs",
        "clock source",
    ]
    assert found["privileges"].command.startswith("docker run --privileged")
    assert found["load"].seen == "3.50 tasks on 4 CPUs over the last minute"
    assert found["virtual machine"].seen == "kvm, 2 % of time stolen"
    assert found["virtual machine"].why.endswith("It takes the CPU here.")


def test_minimal_virtual_machine(tmp_path):
    found = topics(tmp_path, MINIMAL_VM)
    # With a single CPU there is none to isolate.
    assert list(found) == ["BPF JIT", "JIT hardening", "virtual machine"]
    assert found["BPF JIT"].seen == "off"
    assert found["virtual machine"].seen == "unidentified"


def test_unknown_facts_give_no_advice(tmp_path):
    assert advice(describe(tmp_path)) == []


@pytest.mark.parametrize(
    ("changes", "topic", "present"),
    [
        ({"sys/kernel/security/lockdown": "none integrity [confidentiality]\n"}, "lockdown", True),
        ({"proc/sys/net/core/bpf_jit_enable": "2\n"}, "BPF JIT", True),
        ({"proc/sys/net/core/bpf_jit_harden": "1\n"}, "JIT hardening", False),
        ({"proc/loadavg": "2.00 1 1 1/1 1\n"}, "load", False),
        ({"proc/loadavg": "2.01 1 1 1/1 1\n"}, "load", True),
        ({f"{CPUS}/cpufreq/policy0/scaling_governor": "performance\n"}, "frequency governor", True),
        ({f"{CPUS}/intel_pstate/no_turbo": "1\n"}, "turbo", False),
        ({f"{CLOCK}/current_clocksource": "tsc\n"}, "clock source", False),
    ],
)
def test_thresholds(tmp_path, changes, topic, present):
    assert (topic in topics(tmp_path, {**LAPTOP, **changes})) is present


@pytest.mark.parametrize(
    ("mask", "user_namespace", "seen"),
    [
        (1 << 21, "user:[4026531837]", None),  # CAP_SYS_ADMIN alone
        (1 << 38 | 1 << 39, "user:[4026531837]", None),  # CAP_PERFMON and CAP_BPF
        (1 << 39, "user:[4026531837]", "no CAP_BPF and CAP_PERFMON"),
        (0, "user:[4026531837]", "no CAP_BPF and CAP_PERFMON"),
        (1 << 21, "user:[4026532999]", "capabilities of a user namespace only"),
    ],
)
def test_privileges(tmp_path, mask, user_namespace, seen):
    files = {"proc/self/status": f"CapEff:\t{mask:016x}\n"}
    links = {**FIRST_NAMESPACES, "proc/self/ns/user": user_namespace}
    found = topics(tmp_path, files, links)
    assert (found["privileges"].seen if found else None) == seen


def test_boost_and_no_turbo_are_switched_off_with_their_own_values(tmp_path):
    found = topics(tmp_path, {f"{CPUS}/cpufreq/boost": "1\n"}, {})
    assert found["turbo"].command == f"echo 0 > /{CPUS}/cpufreq/boost"


def test_no_command_without_a_better_clock(tmp_path):
    files = {f"{CLOCK}/current_clocksource": "hpet", f"{CLOCK}/available_clocksource": "hpet"}
    assert topics(tmp_path, files)["clock source"].command is None
