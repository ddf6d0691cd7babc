"""Tools with fentry and kprobes, which few kernels here allow.

Each is a script that runs in the guest, which the tests share; they look at what it prints.
"""

from __future__ import annotations

import json
import shutil
import sys

import pytest
from prediction_scripts import PROFILE, VALIDATE

CALLS = 10_007
WAYS = ("fentry/fexit", "kprobe/kretprobe", "tracepoints")

TRACE = f"""
import json, os
from pathlib import Path
from ebpf_overhead.workload import _workload
from ebpf_overhead.errors import OverheadError
from ebpf_overhead.tools.funclatency.histogram import Scale
from ebpf_overhead.tools.funclatency.own_cost import own_cost
from ebpf_overhead.tools.funclatency.trace import choose_pair, compiled_tracer, traced
from ebpf_overhead.tools.funclatency.hook_pairs import KINDS
from ebpf_overhead.measure.cost_cache import Store
from ebpf_overhead.tools.tracers.filters import Filters

filters = Filters(pid=os.getpid())
compiled = compiled_tracer(filters, Scale())
seen = {{}}
for kind in KINDS[:3]:
    pair = choose_pair(compiled, "syscall:getpid", kind)
    with traced(compiled, pair) as trace:
        start = trace.read()
        _workload.run("getpid", {CALLS})
        counts = trace.read().since(start)
    cost = own_cost(pair, filters, Scale(), Store(Path("/tmp/overheads.json")))
    seen[kind] = dict(
        calls=counts.calls, unmatched=counts.counter("unmatched"), median=counts.percentile_ns(0.5),
        inside=cost.inside.estimate, per_call=cost.per_call.estimate, entry=str(pair.entry.point),
    )
errors = {{}}
for name in ("vfs_reed", "do_idle_no_such", "notrace_me"):
    try:
        choose_pair(compiled, name)
    except OverheadError as error:
        errors[name] = str(error)
print(json.dumps(dict(seen=seen, errors=errors, vfs=choose_pair(compiled, "vfs_read").kind)))
"""


ESTIMATE = f"""
import json, os
from pathlib import Path
from ebpf_overhead.errors import OverheadError
from ebpf_overhead.tools.estimate.costs import Costs
from ebpf_overhead.tools.estimate.places import places_of
from ebpf_overhead.tools.estimate.run import Question, estimate
from ebpf_overhead.measure.result import Sampling
from ebpf_overhead.measure.run import measure_cases
from ebpf_overhead.hooks.cases import select
from ebpf_overhead.hooks.symbols import is_traceable, kernel_functions
from ebpf_overhead.measure.cost_cache import Store
from ebpf_overhead.tools.tracers.filters import Filters

zero = os.open("/dev/zero", os.O_RDONLY)

def read(seconds):
    for _ in range({CALLS}):
        os.read(zero, 1)

def ask(names, attach):
    places = tuple(place for name in names for place in places_of(name, 20))
    question = Question(places, attach, "empty", Filters(pid=os.getpid()), 0.05, latency=False)
    return estimate(question, Costs(Store(Path("/tmp/estimate.json"))), lambda line: None, read)

answer = ask(["vfs_read", "vfs_write"], "kprobe")
measured = [r for r in measure_cases(select(["kprobe"], ["empty"]), Sampling())]
errors = {{}}
for name, attach in (("vfs_reed", "fentry"), ("exc_int3", None), ("vfs_*", None)):
    try:
        ask([name], attach)
    except OverheadError as error:
        errors[name] = str(error)

# Functions that are in no BTF of the kernel itself: changed by the compiler, or of a module.
changed = sorted((n for n in kernel_functions() if n.endswith(".isra.0")), key=len)
changed.sort(key=lambda name: name != "finish_task_switch.isra.0")
of_modules = [line.split()[2] for line in open("/proc/kallsyms") if line.rstrip().endswith("]")]
of_modules = [name for name in of_modules if is_traceable(name) and name in kernel_functions()]
elsewhere = {{}}
for kind, names in (("changed", changed[:9]), ("module", of_modules[:9])):
    for name in names:
        try:
            elsewhere[kind] = (name, ask([f"kprobe:{{name}}"], None).rates[0].counted_by)
            break
        except OverheadError as error:
            elsewhere[kind] = (name, str(error))
plain = changed[0].partition(".")[0]
try:
    ask([f"kprobe:{{plain}}"], None)
except OverheadError as error:
    errors["plain"] = str(error)
print(json.dumps(dict(
    changed=changed[0], elsewhere=elsewhere,
    events={{rate.place.name: rate.events for rate in answer.rates}},
    counted_by=[rate.counted_by for rate in answer.rates],
    share=answer.share.estimate, mean=answer.mean,
    overhead=answer.rates[0].cost.overhead.estimate,
    measured=measured[0].measurement.overhead.estimate,
    alternatives=[each.cost.attach for each in answer.alternatives if each.share],
    errors=errors,
)))
"""


def test_estimate_of_functions(guest):
    done = guest.run([sys.executable, "-c", ESTIMATE])
    assert done.exit_status == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["events"] == {"vfs_read": CALLS, "vfs_write": 0}
    assert answer["counted_by"] == ["fentry:vfs_read", "fentry:vfs_write"]
    # Instructions repeat, to the few that a boot of BCC in between moves.
    assert abs(answer["overhead"] - answer["measured"]) <= 0.02 * answer["measured"]
    assert answer["share"] == pytest.approx(answer["mean"] * answer["overhead"] * 1e-9)
    assert answer["alternatives"][0] == "fentry"
    assert "kprobe" in answer["alternatives"]
    assert "similar: vfs_read" in answer["errors"]["vfs_reed"]
    assert "exc_int3 is in this kernel and cannot be traced" in answer["errors"]["exc_int3"]
    assert "functions, at most 20 can be hooked" in answer["errors"]["vfs_*"]
    for kind in ("changed", "module"):
        name, counted_by = answer["elsewhere"][kind]
        assert counted_by == f"kprobe:{name}"
    assert f"a kprobe takes {answer['changed']}" in answer["errors"]["plain"]


WATCHED = ("kprobe", "tp_btf")
TOP = f"""
import json
from pathlib import Path
from ebpf_overhead.workload import _workload
from ebpf_overhead.hooks import probe as attach
from ebpf_overhead.bpf import syscall as bpf
from ebpf_overhead.hooks.cases import select
from ebpf_overhead.tools.top.dispatch import DispatchCosts
from ebpf_overhead.tools.top.inventory import Inventory
from ebpf_overhead.tools.top.monitor import Statistics
from ebpf_overhead.tools.top.usage import picture
from ebpf_overhead.measure.result import Sampling
from ebpf_overhead.measure.run import measure_cases
from ebpf_overhead.measure.cost_cache import Store

costs = DispatchCosts(Store(Path("/tmp/dispatch.json")))
costs.learn({WATCHED})
seen = {{}}
for result in measure_cases(select({WATCHED}, ["simple"], ["getpid"]), Sampling()):
    with attach.load(result.case) as probe, Statistics() as statistics:
        probe.attach()
        number = probe.program.info().prog_id
        _workload.run("getpid", 1000)
        before = statistics.read()
        _workload.run("getpid", {CALLS})
        after = statistics.read()
        details = Inventory().details(after.programs)
    shown = picture(before, after, details, costs, 1)
    (usage,) = [each for each in shown.usages if each.program.number == number]
    slow = shown.slow_path_share
    seen[result.case.attach.name] = dict(
        true=result.measurement.overhead.estimate,
        shown=(usage.total.estimate + (slow.estimate if slow else 0)) * 1e9 / usage.runs_per_s,
        reported=usage.run_time_ns,
        runs=round(usage.runs_per_s * shown.seconds),
        hooks=[str(each) for each in details[number].attachments],
        processes=len(details[number].processes),
    )
print(json.dumps(dict(seen=seen, statistics=costs.statistics.estimate)))
"""


def test_top_shows_what_the_probe_really_costs(guest, note):
    done = guest.run([sys.executable, "-c", TOP])
    assert done.exit_status == 0, done.stderr
    answer = json.loads(done.stdout)
    for name, each in answer["seen"].items():
        assert each["runs"] >= CALLS, name
        assert abs(each["shown"] - each["true"]) <= 0.01 * each["true"], name
        assert each["reported"] < each["true"], name
        assert each["processes"] == 1
        note(f"top, {name}: {each['shown']:.0f} shown, {each['true']:.0f} true, instructions")
    hooks = {name: each["hooks"] for name, each in answer["seen"].items()}
    assert hooks["tp_btf"] == ["tp_btf:sys_enter"]
    (hook,) = hooks["kprobe"]
    assert hook.startswith("kprobe:__")
    assert hook.endswith("_sys_getpid")
    assert 40 < answer["statistics"] < 200


def test_every_way_in_sees_every_call_and_knows_its_cost(guest):
    done = guest.run([sys.executable, "-c", TRACE])
    assert done.exit_status == 0, done.stderr
    answer = json.loads(done.stdout)
    seen = answer["seen"]
    counted = {kind: (each["calls"], each["unmatched"]) for kind, each in seen.items()}
    assert counted == dict.fromkeys(WAYS, (CALLS, 0))
    for each in seen.values():
        # Instructions repeat: what is reported for getpid is what the cost says it is.
        assert abs(each["median"] - each["inside"]) <= 0.04 * each["inside"]
        assert 0 < each["inside"] < each["per_call"]
    assert seen["fentry/fexit"]["per_call"] < seen["kprobe/kretprobe"]["per_call"]
    assert answer["vfs"] == "fentry/fexit"
    assert "similar: vfs_read" in answer["errors"]["vfs_reed"]


def test_overhead_of_a_load_is_the_one_that_was_measured_on_a_loop(guest, note):
    done = guest.run([sys.executable, "-c", VALIDATE])
    assert done.exit_status == 0, done.stderr
    record = json.loads(done.stdout)
    assert [case["attach"] for case in record["cases"]] == ["kprobe"]
    for case in record["cases"]:
        assert case["status"] == "measured", case["reason"]
        assert case["true"]["hits"] == case["true"]["calls"]
        assert case["true"]["late_batches"] == 0
        # The load makes other calls too, one in hundreds.
        said, true = (case[each]["overhead"]["estimate"] for each in ("predicted", "true"))
        assert true == pytest.approx(said, rel=0.01)
        # A batch more or less of twenty: that is how exact a rate is in a fifth of a second.
        rate = case["predicted"]["events_per_second"]
        assert rate == pytest.approx(record["calls_per_s"], rel=0.06)
        assert case["verdict"] in ("interval", "tolerance")
        note(f"validate {case['attach']}: predicted {said:.1f}, true {true:.1f} instructions")


def test_parts_of_a_call_are_where_its_instructions_are(guest, note):
    if shutil.which("perf") is None:  # the guest's files are the host's
        pytest.skip("perf is not installed")
    done = guest.run([sys.executable, "-c", PROFILE])
    assert done.exit_status == 0, done.stderr
    found = json.loads(done.stdout)
    for attach in ("kprobe",):
        unprobed, probed = (found[f"{attach}/{name}"] for name in ("unprobed", "probed"))
        assert unprobed["parts"]["PROGRAM"] == unprobed["parts"]["DISPATCH"] == 0
        added = sum(probed["parts"][name] for name in ("DISPATCH", "PROGRAM", "HELPERS"))
        overhead = 1 - unprobed["per_call"] / probed["per_call"]
        # What perf finds outside of the target is what the loop takes longer.
        assert added == pytest.approx(overhead, abs=0.06)
        note(f"profile {attach}: {100 * added:.0f} % of a call added, {100 * overhead:.0f} % timed")
