"""Three lines that follow from numbers."""

from __future__ import annotations

from ebpf_overhead.site.advice import advice

COSTS = {"tracepoint": 353, "raw_tracepoint": 172, "tp_btf": 173, "fentry": 112, "kprobe": 331}


def test_the_cheapest_is_named_first_then_what_needs_less_then_what_sees_all():
    one, without, every = advice(COSTS, "instructions")
    assert "`fentry`, +112 instructions per call, the cheapest of the 3" in one
    assert "CONFIG_DEBUG_INFO_BTF" in without
    assert "`kprobe`, +331 instructions per call, 3.0 times as much" in without
    assert "`raw_tracepoint`, +172" in every


def test_other_numbers_give_other_lines():
    one, *_ = advice({**COSTS, "kprobe": 90}, "ns")
    assert "`kprobe`, +90 ns" in one


def test_what_was_not_measured_is_not_named():
    (line,) = advice({"tp_btf": 75, "tp_btf_exit": 10}, "ns")
    assert line.startswith("Every system call: `tp_btf`, +75 ns")
    assert list(advice({}, "ns")) == []
