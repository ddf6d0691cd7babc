"""What is said of what else the machine did."""

from __future__ import annotations

from ebpf_overhead.report.noise_lines import noise_lines

QUIET = {
    "cpu": 1,
    "stolen_share": 0.0,
    "siblings_share": None,
    "others_share": 0.1,
    "interrupts_per_s": 1100.0,
    "throttled": None,
    "governor": None,
}


def said(cases=(), **noise):
    return noise_lines({"noise": {**QUIET, **noise}, "cases": list(cases)})


def test_nothing_is_said_of_a_quiet_machine():
    assert said([{"preempted": 0, "windows": 160}], governor="performance") == []
    assert noise_lines({"cases": []}) == []


def test_each_disturbance_is_named():
    rows = [{"preempted": 3, "windows": 160}, {"preempted": 1, "windows": 160}, {"status": "x"}]
    (line,) = said(
        rows,
        stolen_share=0.031,
        siblings_share=0.5,
        others_share=0.97,
        interrupts_per_s=12345.6,
        throttled=2,
        governor="powersave",
    )
    assert line == (
        "measured on CPU 1: 4 of 640 windows were preempted by other tasks and left out;"
        " the hypervisor took 3 % of its time; its sibling was 50 % busy; the other CPUs were"
        " 97 % busy; 12,346 interrupts/s; heat slowed it down 2 times; its frequency follows the"
        " load (governor powersave)"
    )
