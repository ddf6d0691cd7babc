"""What else a made-up machine did while it measured."""

from __future__ import annotations

from ebpf_overhead.machine.tree import Tree
from ebpf_overhead.measure.noise import watched

CPUS = "sys/devices/system/cpu"


def write(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def stat(*of_cpus):
    return "".join(
        f"cpu{cpu} {busy} 0 0 {idle} 0 0 0 {stolen} 0 0\n"
        for cpu, (busy, idle, stolen) in enumerate(of_cpus)
    )


def test_only_what_happened_meanwhile_counts(tmp_path):
    heat = f"{CPUS}/cpu1/thermal_throttle/core_throttle_count"
    write(
        tmp_path,
        {
            "proc/stat": stat((500, 0, 0), (900, 0, 70), (10, 0, 0), (0, 300, 0)),
            "proc/interrupts": " CPU0 CPU1\n 1: 5 1000 x\n",
            heat: "4",
            f"{CPUS}/cpu1/topology/thread_siblings_list": "1,3",
            f"{CPUS}/cpu1/cpufreq/scaling_governor": "powersave\n",
        },
    )
    with watched(1, Tree(tmp_path)) as noise:
        write(
            tmp_path,
            {
                "proc/stat": stat((575, 25, 0), (990, 0, 80), (10, 100, 0), (20, 380, 0)),
                "proc/interrupts": " CPU0 CPU1\n 1: 5 1600 x\n",
                heat: "6",
            },
        )
    assert noise.stolen_share == 0.1
    assert noise.siblings_share == 0.2
    assert noise.others_share == 75 / 200
    assert noise.throttled == 2
    assert noise.governor == "powersave"
    assert noise.interrupts_per_s > 0


def test_a_machine_that_says_nothing(tmp_path):
    with watched(0, Tree(tmp_path)) as noise:
        pass
    assert (noise.stolen_share, noise.others_share, noise.interrupts_per_s) == (None, None, None)
