"""Answers of the tools that only a guest can prove: missed returns, nested probes, exact prices."""

from __future__ import annotations

import json
import sys

import pytest
from processes import run_command

CALLS = 1_009
THREADS, ROUNDS = 40, 3

# Many threads asleep in a function whose return is probed: a kretprobe follows few of them.
MISSED = f"""
import json, os, sys, threading, time
from ebpf_overhead.errors import OverheadError
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.tools.funclatency.histogram import COUNTERS, Scale
from ebpf_overhead.tools.funclatency.own_cost import OwnCost
from ebpf_overhead.tools.funclatency.record import Observation
from ebpf_overhead.tools.funclatency.text import lines
from ebpf_overhead.tools.funclatency.trace import choose_pair, compiled_tracer, traced
from ebpf_overhead.tools.tracers.filters import Filters

filters, scale = Filters(pid=os.getpid()), Scale()
barrier = threading.Barrier({THREADS})

def sleep():
    barrier.wait()
    for _ in range({ROUNDS}):
        time.sleep(0.2)

seen = {{}}
for kind in ("fentry/fexit", "kprobe/kretprobe"):
    compiled = compiled_tracer(filters, scale)
    pair = choose_pair(compiled, "hrtimer_nanosleep", kind)
    threads = [threading.Thread(target=sleep) for _ in range({THREADS})]
    with traced(compiled, pair) as trace:
        before = trace.read()
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        counts = trace.read().since(before)
        nothing = Interval(0.0, 0.0, 0.0, 0.99)
        observed = Observation(
            "hrtimer_nanosleep", pair, filters, scale, 1.0, "time", counts, trace.missed(),
            OwnCost(nothing, nothing),
        )
    seen[kind] = {{name: counts.counter(name) for name in COUNTERS}} | {{
        "in_flight": counts.in_flight, "text": list(lines(observed, "ns", False)),
    }}
print(json.dumps(seen))
"""

# The tracer's filter calls a helper, and the tracer traces that helper.
NESTED = f"""
import json
from pathlib import Path
from ebpf_overhead.hooks import probe
from ebpf_overhead.hooks.cases import select
from ebpf_overhead.tools.funclatency.histogram import Scale
from ebpf_overhead.tools.funclatency.trace import choose_pair, compiled_tracer, traced
from ebpf_overhead.tools.tracers.filters import Filters
from ebpf_overhead.workload import _workload

own = Filters(command=Path("/proc/self/comm").read_text().strip())
compiled = compiled_tracer(own, Scale())
pair = choose_pair(compiled, "bpf_get_current_comm", "fentry/fexit")
(case,) = select(["tracepoint"], ["complex"], ["getpid"])
with probe.load(case) as caller:
    caller.attach()
    with traced(compiled, pair) as trace:
        before = trace.read()
        _workload.run("getpid", {CALLS})
        counts = trace.read().since(before)
        print(json.dumps(dict(calls=counts.calls, missed=trace.missed())))
"""

# What estimate says of a function, and what measure says of one that begins so.
PRICES = """
import json
from pathlib import Path
from ebpf_overhead.hooks.cases import select
from ebpf_overhead.hooks.first_instruction import first_instruction
from ebpf_overhead.hooks.symbols import user_point
from ebpf_overhead.measure.cost_cache import Store
from ebpf_overhead.measure.run import Sampling, measure_cases
from ebpf_overhead.tools.estimate.costs import Costs
from ebpf_overhead.workload import _workload

costs, found = Costs(Store(Path("/tmp/prices.json"))), {}
for workload in ("function", "function_nop5", "function_push", "function_ret", "function_test"):
    path, symbol, _ = _workload.workload_symbol(workload)
    first = first_instruction(user_point(f"{path}:{symbol}"))
    cost = costs.of("uprobe", "empty", first)
    (measured,) = measure_cases(select(["uprobe"], ["empty"], [first.workload]), Sampling())
    found[workload] = [
        first.name, cost.overhead.estimate, measured.measurement.overhead.estimate
    ]
print(json.dumps(found))
"""


# Functions that the compiler changed, by every kind of hook that finds a function by its name.
DOTTED = """
import json
from functools import partial
from ebpf_overhead.errors import OverheadError
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.hooks.attach_types import ATTACH_TYPES
from ebpf_overhead.hooks.cases import PROGRAMS
from ebpf_overhead.hooks.hook import Site, attach
from ebpf_overhead.hooks.symbols import matching_functions
from ebpf_overhead.programs.compiled import compiled
from ebpf_overhead.tools.funclatency.histogram import Scale
from ebpf_overhead.tools.funclatency.trace import choose_pair, compiled_tracer
from ebpf_overhead.tools.tracers.filters import Filters

empty, tracer, found = compiled(PROGRAMS["empty"]), compiled_tracer(Filters(), Scale()), {}
for name in ("finish_task_switch.isra.0", *matching_functions("*.constprop.0", 10_000)[:3]):
    works = []
    for attach_type in ("kprobe", "kretprobe", "kprobe_multi", "kretprobe_multi"):
        try:
            attach(Site(ATTACH_TYPES[attach_type], AttachPoint(name)), empty.load).close()
            works.append(attach_type)
        except OverheadError as error:
            works.append(str(error))
    found[name] = dict(works=works, via=choose_pair(tracer, name).kind)
print(json.dumps(found))
"""


def run(guest, script: str):
    done = guest.run([sys.executable, "-c", script])
    assert done.exit_status == 0, done.stderr
    return json.loads(done.stdout)


def test_returns_that_a_kretprobe_does_not_follow_are_counted_and_shown(guest, note):
    seen = run(guest, MISSED)
    every = THREADS * ROUNDS
    followed, limited = seen["fentry/fexit"], seen["kprobe/kretprobe"]
    assert followed["entered"] == followed["returned"] == every
    assert followed["unreturned"] == followed["in_flight"] == 0
    assert limited["entered"] == every
    assert limited["returned"] < every
    # Of the last round it is not known whether they return: nobody calls again.
    assert limited["unreturned"] > 0
    assert limited["returned"] + limited["unreturned"] + limited["in_flight"] == every
    assert limited["overwritten"] == limited["unmatched"] == 0
    text = "\n".join(limited["text"])
    assert f"{limited['unreturned']} ended, and their return was not seen: a kretprobe" in text
    assert f"{limited['in_flight']} had not returned at the end, or their return" in text
    note(f"kretprobe, {THREADS} threads asleep: {limited['returned']} of {every} returns seen")


def test_nested_runs_are_counted(guest):
    seen = run(guest, NESTED)
    assert seen["calls"] == CALLS
    assert seen["missed"] >= CALLS


def test_uprobe_is_priced_by_its_first_instruction(guest, note):
    found = run(guest, PRICES)
    for workload, (name, said, measured) in found.items():
        # The same boot, one call after the other: instructions repeat.
        assert abs(said - measured) <= 0.01 * measured, (workload, name)
        note(f"uprobe on {name}: {said:.0f} instructions")
    prices = {workload: said for workload, (_, said, _) in found.items()}
    assert prices["function_test"] == prices["function_ret"]
    assert prices["function_push"] < 0.85 * prices["function_ret"]
    assert prices["function"] < 0.75 * prices["function_ret"]


def test_names_with_dots_can_be_hooked(guest):
    found = run(guest, DOTTED)
    assert "finish_task_switch.isra.0" in found
    assert len(found) == 4
    for name, each in found.items():
        assert each["works"][:2] == ["kprobe", "kretprobe"], name
        several = each["works"][2:]
        # Debian builds 6.1 without what attaches to many functions at once.
        if not (guest.kernel.release.startswith("6.1.") and "ENOTSUP" in several[0]):
            assert several == ["kprobe_multi", "kretprobe_multi"], name
        assert each["via"] == "kprobe/kretprobe"


def test_rate_on_another_kernel_is_answered_from_here(kernel):
    run = run_command(
        "estimate", "kprobe:vfs_read", "--kernel", kernel.release, "--rate", "20k/s", "--json",
        timeout=300,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    record = json.loads(run.stdout)
    assert (record["kernel"], record["unit"]) == (kernel.release, "instructions")
    assert record["emulated_core"]
    overhead = record["places"][0]["overhead"]["estimate"]
    assert 100 < overhead < 5_000
    assert record["core_share"]["estimate"] == pytest.approx(20_000 * overhead * 1e-9)
    assert {"fentry", "kprobe"} <= {
        each["attach"] for each in record["alternatives"] if each["status"] == "measured"
    }
