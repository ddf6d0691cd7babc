"""What runs in a guest for the tests of predictions and profiles."""

from __future__ import annotations

VALIDATE = """
import json
from ebpf_overhead.hooks.cases import select
from ebpf_overhead.studies.validation.rows import make_record
from ebpf_overhead.studies.validation.run import Options, validate

cases = select(["kprobe"], ["simple"], ["getpid"])
options = Options(count_s=0.2, time_s=0.05)
found = list(validate(cases, options, lambda case, share: None))
print(json.dumps(make_record(found, options)))
"""

PROFILE = """
import json
from ebpf_overhead.hooks.cases import select
from ebpf_overhead.tools.profile.loop import profile_loop
from ebpf_overhead.tools.profile.parts import shares

found = {}
for attach in ("kprobe",):
    (case,) = select([attach], ["simple"], ["getpid"])
    profile = profile_loop(case, 0.1, lambda line: None)
    for name in ("unprobed", "probed"):
        half = getattr(profile, name)
        parts = {part.name: share for part, share in shares(half.stacks, profile.target).items()}
        found[f"{attach}/{name}"] = dict(per_call=half.per_call, parts=parts)
print(json.dumps(found))
"""
