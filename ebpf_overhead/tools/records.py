"""The records of the tools, by the name that they write into them."""

from __future__ import annotations

from typing import Any

from ebpf_overhead.report.schema import schema_of
from ebpf_overhead.tools.command.record import ROWS as COMMAND_ROWS
from ebpf_overhead.tools.command.record import CommandHead
from ebpf_overhead.tools.estimate.record import EstimateRecord
from ebpf_overhead.tools.funclatency.record import LatencyRecord
from ebpf_overhead.tools.impact.record import ImpactRecord
from ebpf_overhead.tools.passes.record import PassesRecord
from ebpf_overhead.tools.profile.record import ProfileRecord
from ebpf_overhead.tools.top.record import TopRecord

RECORDS = {
    "command": CommandHead,
    "estimate": EstimateRecord,
    "funclatency": LatencyRecord,
    "impact": ImpactRecord,
    "profile": ProfileRecord,
    "top": TopRecord,
    "workloads": PassesRecord,
}


def schema(name: str) -> dict[str, Any]:
    """Return the JSON schema of a tool's records."""
    rows = COMMAND_ROWS if RECORDS[name] is CommandHead else None
    return schema_of(f"A record of ebpf-overhead {name}", RECORDS[name], rows)
