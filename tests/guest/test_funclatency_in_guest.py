"""``funclatency`` through fentry and kprobes, which few running kernels allow."""

from __future__ import annotations

import json
import sys

CALLS = 10_007
WAYS = ("fentry/fexit", "kprobe/kretprobe", "tracepoints")

TRACE = f"""
import json, os
from pathlib import Path
from ebpf_overhead import _workload
from ebpf_overhead.errors import OverheadError
from ebpf_overhead.latency.histogram import Scale
from ebpf_overhead.latency.own_cost import own_cost
from ebpf_overhead.latency.trace import choose_way, compiled_tracer, traced
from ebpf_overhead.latency.ways import KINDS
from ebpf_overhead.stored import Store
from ebpf_overhead.tracers.filters import Filters

filters = Filters(pid=os.getpid())
compiled = compiled_tracer(filters, Scale())
seen = {{}}
for kind in KINDS[:3]:
    way = choose_way(compiled, "syscall:getpid", kind)
    with traced(compiled, way) as trace:
        start = trace.read()
        _workload.run("getpid", {CALLS})
        counts = trace.read().since(start)
    cost = own_cost(way, filters, Scale(), Store(Path("/tmp/overheads.json")))
    seen[kind] = dict(
        calls=counts.calls, unmatched=counts.counter("unmatched"), median=counts.percentile_ns(0.5),
        inside=cost.inside.estimate, per_call=cost.per_call.estimate, entry=way.entry.name,
    )
errors = {{}}
for name in ("vfs_reed", "do_idle_no_such", "notrace_me"):
    try:
        choose_way(compiled, name)
    except OverheadError as error:
        errors[name] = str(error)
print(json.dumps(dict(seen=seen, errors=errors, vfs=choose_way(compiled, "vfs_read").kind)))
"""


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
