"""Profiles for people: tables of parts and of programs."""

from __future__ import annotations

from typing import Any

from ebpf_overhead.report.record import Record
from ebpf_overhead.tools.profile.record import part_named

# The limit of samples on machines without hardware counters.
LIMIT = (
    "Samples come from a timer interrupt: code with interrupts off is charged to the"
    " instruction that switches them on again (docs/profile.md)."
)


def headings(record: Record) -> tuple[str, ...]:
    """Return the first row of the table of parts."""
    if "process" in record["profiles"]:
        return ("Part", "share")
    return ("Part", f"unprobed {record['unit']}", f"probed {record['unit']}", "share of probed")


def rows(record: Record) -> list[tuple[str, ...]]:
    """Return one row per part, and their sum."""
    profiles = list(record["profiles"].values())
    last = profiles[-1]
    found = []
    for key in last["parts"]:
        times = [_time(profile, profile["parts"][key]) for profile in profiles]
        found.append((part_named(key).value, *times, _share(last["parts"][key])))
    whole = {"share": 1.0, "margin": 0.0}
    total = [_time(profile, whole) for profile in profiles]
    found.append(("all", *total, f"{last['samples']:,} samples"))
    return [tuple(cell for cell in row if cell is not None) for row in found]


def program_rows(record: Record) -> list[tuple[str, ...]]:
    """Return one row per BPF program: its name, and its share including helpers."""
    last = list(record["profiles"].values())[-1]
    shares = sorted(last["programs"].items(), key=lambda item: -item[1])
    return [(name, f"{100 * share:.2f} %") for name, share in shares]


def others(record: Record) -> str | None:
    """Return a line on programs that also ran without the probe; None without any."""
    names = record["profiles"].get("unprobed", {}).get("programs", {})
    if not names:
        return None
    return f"Other BPF programs run here with and without the probe: {', '.join(names)}"


def _time(profile: dict[str, Any], part: dict[str, float]) -> str | None:
    if "per_call" not in profile:
        return None
    time, margin = (profile["per_call"] * part[name] for name in ("share", "margin"))
    return f"{time:,.1f} ± {margin:,.1f}" if margin else f"{time:,.1f}"


def _share(part: dict[str, float]) -> str:
    return f"{100 * part['share']:.1f} ± {100 * part['margin']:.1f} %"
