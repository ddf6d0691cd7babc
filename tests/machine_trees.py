"""Made-up file trees of machines that this one is not, for test_machine*.py and test_doctor.py."""

from __future__ import annotations

import gzip
from pathlib import Path

CPUS = "sys/devices/system/cpu"
CLOCK = "sys/devices/system/clocksource/clocksource0"

FIRST_NAMESPACES = {
    "proc/self/ns/pid": "pid:[4026531836]",
    "proc/self/ns/cgroup": "cgroup:[4026531835]",
    "proc/self/ns/ipc": "ipc:[4026531839]",
    "proc/self/ns/uts": "uts:[4026531838]",
    "proc/self/ns/user": "user:[4026531837]",
}

BCC = {"usr/lib/x86_64-linux-gnu/libbcc.so.0": "libbcc.so.0.31.0"}

LAPTOP = {
    "proc/sys/kernel/osrelease": "6.12.48+deb13-amd64\n",
    "proc/sys/kernel/version": "#1 SMP PREEMPT_DYNAMIC Debian 6.12.48-1 (2025-09-20)\n",
    "proc/sys/kernel/arch": "x86_64\n",
    "proc/cmdline": "BOOT_IMAGE=/vmlinuz root=UUID=12-34 quiet preempt=voluntary mitigations=off\n",
    "boot/config-6.12.48+deb13-amd64": (
        "CONFIG_HZ_250=y\nCONFIG_HZ=250\nCONFIG_PREEMPT=y\nCONFIG_PREEMPT_DYNAMIC=y\n"
        "CONFIG_RANDOMIZE_KSTACK_OFFSET=y\nCONFIG_RANDOMIZE_KSTACK_OFFSET_DEFAULT=y\n"
    ),
    "sys/kernel/security/lockdown": "none [integrity] confidentiality\n",
    f"{CLOCK}/current_clocksource": "hpet\n",
    f"{CLOCK}/available_clocksource": "tsc hpet acpi_pm \n",
    "sys/kernel/rcu_expedited": "1\n",
    "sys/kernel/rcu_normal": "0\n",
    "proc/cpuinfo": (
        "processor\t: 0\nmodel name\t: 11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz\n"
        "flags\t\t: fpu vme tsc\n\n"
        "processor\t: 1\nmodel name\t: 11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz\n"
        "flags\t\t: fpu vme tsc\n"
    ),
    f"{CPUS}/online": "0-7\n",
    f"{CPUS}/isolated": "\n",
    f"{CPUS}/nohz_full": "(null)\n",
    f"{CPUS}/smt/active": "1\n",
    f"{CPUS}/cpufreq/policy0/scaling_governor": "powersave\n",
    f"{CPUS}/cpufreq/policy0/scaling_driver": "intel_pstate\n",
    f"{CPUS}/cpufreq/policy1/scaling_governor": "powersave\n",
    f"{CPUS}/cpufreq/policy1/scaling_driver": "intel_pstate\n",
    f"{CPUS}/intel_pstate/no_turbo": "0\n",
    f"{CPUS}/vulnerabilities/meltdown": "Not affected\n",
    f"{CPUS}/vulnerabilities/spectre_v2": "Mitigation: Enhanced IBRS; IBPB: conditional\n",
    "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\n',
    "sys/class/dmi/id/sys_vendor": "LENOVO\n",
    "sys/class/dmi/id/product_name": "20XW00AYGE\n",
    "proc/loadavg": "0.31 0.20 0.10 1/1234 5678\n",
    "proc/stat": "cpu  100 0 100 799 1 0 0 0 0 0\ncpu0 50 0 50 400 0 0 0 0 0 0\n",
    "proc/sys/net/core/bpf_jit_enable": "1\n",
    "proc/sys/net/core/bpf_jit_harden": "0\n",
    "proc/sys/kernel/bpf_stats_enabled": "0\n",
    "sys/kernel/debug/kprobes/list": (
        "ffffffff810e46d4  k  do_exit+0x4    [FTRACE]\n"
        "ffffffffc0a01000  r  vfs_read+0x0    [DISABLED]\n"
    ),
    "proc/sys/kernel/unprivileged_bpf_disabled": "2\n",
    "proc/sys/kernel/perf_event_paranoid": "3\n",
    "sys/kernel/btf/vmlinux": "BTF",
    "proc/self/status": ("CapEff:\t000001ffffffffff\nCpus_allowed:\tff\nCpus_allowed_list:\t0-7\n"),
    "proc/self/limits": "Max locked memory         unlimited       unlimited       bytes\n",
}

ARM64_SERVER = {
    "proc/sys/kernel/osrelease": "6.1.0-40-arm64\n",
    "proc/sys/kernel/version": "#1 SMP Debian 6.1.153-1 (2025-09-20)\n",
    "proc/sys/kernel/arch": "aarch64\n",
    "proc/cmdline": "root=/dev/sda1 isolcpus=4-7 nohz_full=4-7 console=ttyAMA0\n",
    "proc/config.gz": gzip.compress(b"CONFIG_HZ=250\nCONFIG_PREEMPT_VOLUNTARY=y\n"),
    f"{CLOCK}/current_clocksource": "arch_sys_counter\n",
    f"{CLOCK}/available_clocksource": "arch_sys_counter \n",
    "proc/cpuinfo": "".join(
        f"processor\t: {number}\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd\n"
        "CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x3\n"
        "CPU part\t: 0xd0c\nCPU revision\t: 1\n\n"
        for number in range(8)
    ),
    f"{CPUS}/online": "0-7\n",
    f"{CPUS}/isolated": "4-7\n",
    f"{CPUS}/nohz_full": "4-7\n",
    f"{CPUS}/smt/active": "0\n",
    f"{CPUS}/cpufreq/policy0/scaling_governor": "performance\n",
    f"{CPUS}/cpufreq/policy0/scaling_driver": "cppc_cpufreq\n",
    f"{CPUS}/vulnerabilities/spectre_v2": "Mitigation: CSV2, BHB\n",
    "usr/lib/os-release": "PRETTY_NAME='Debian GNU/Linux 12 (bookworm)'\n",
    "sys/class/dmi/id/sys_vendor": "WIWYNN\n",
    "sys/class/dmi/id/product_name": "Mt.Jade Server System\n",
    "proc/loadavg": "0.00 0.01 0.05 1/400 900\n",
    "proc/stat": "cpu  10 0 10 80 0 0 0 0 0 0\n",
    "proc/sys/net/core/bpf_jit_enable": "1\n",
    "proc/sys/net/core/bpf_jit_harden": "0\n",
    "proc/sys/kernel/bpf_stats_enabled": "0\n",
    "proc/self/status": "CapEff:\t000001ffffffffff\nCpus_allowed_list:\t0-3\n",
    "sys/kernel/btf/vmlinux": "BTF",
}

CONTAINER = {
    "proc/sys/kernel/osrelease": "6.8.0-1021-aws\n",
    "proc/sys/kernel/version": "#23-Ubuntu SMP Mon Dec  9 23:59:34 UTC 2024\n",
    "proc/cmdline": "root=PARTUUID=1 ro console=ttyS0\n",
    f"{CLOCK}/current_clocksource": "kvm-clock\n",
    f"{CLOCK}/available_clocksource": "kvm-clock tsc acpi_pm \n",
    "proc/cpuinfo": "model name\t: Intel Xeon Platinum 8259CL\nflags\t\t: fpu hypervisor avx\n",
    f"{CPUS}/online": "0-3\n",
    f"{CPUS}/isolated": "\n",
    "sys/class/dmi/id/sys_vendor": "Amazon EC2\n",
    "sys/class/dmi/id/product_name": "m5.xlarge\n",
    ".dockerenv": "",
    "proc/loadavg": "3.50 3.00 2.00 4/300 12\n",
    "proc/stat": "cpu  100 0 100 780 0 0 0 20 0 0\n",
    # No proc/sys/net/core/bpf_*: only the first network namespace has them.
    "proc/sys/kernel/bpf_stats_enabled": "1\n",
    "proc/self/status": "CapEff:\t00000000a80425fb\nCpus_allowed_list:\t0-1\n",
    "proc/self/limits": "Max locked memory         65536           65536           bytes\n",
}
CONTAINER_LINKS = {
    "proc/self/ns/pid": "pid:[4026532456]",
    "proc/self/ns/cgroup": "cgroup:[4026532460]",
    "proc/self/ns/ipc": "ipc:[4026532455]",
    "proc/self/ns/uts": "uts:[4026532454]",
    "proc/self/ns/user": "user:[4026531837]",
}

# No DMI, no configuration, no securityfs; the root file system was a container image once.
MINIMAL_VM = {
    "proc/sys/kernel/osrelease": "6.1.155\n",
    "proc/sys/kernel/version": "#1 SMP PREEMPT_DYNAMIC Thu Jan  1 00:00:00 UTC 1970\n",
    "proc/cpuinfo": "model name\t: AMD EPYC\nflags\t\t: fpu hypervisor\n",
    f"{CPUS}/online": "0\n",
    f"{CPUS}/isolated": "\n",
    "sys/kernel/notes": "",
    ".dockerenv": "",
    "proc/sys/net/core/bpf_jit_enable": "0\n",
    "proc/sys/net/core/bpf_jit_harden": "2\n",
    "proc/self/status": "CapEff:\t000001ffffffffff\n",
}


def plant(
    root: Path, files: dict[str, str | bytes], links: dict[str, str] = FIRST_NAMESPACES
) -> Path:
    """Write a tree below ``root`` and return ``root``."""
    for path, content in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
    for path, destination in links.items():
        link = root / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(destination)
    return root
