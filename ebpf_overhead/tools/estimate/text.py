"""An estimate for people."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from ebpf_overhead.hooks.attach_type import SYSCALL
from ebpf_overhead.measure.stats import Interval
from ebpf_overhead.report.console import print_line, print_table
from ebpf_overhead.tools.estimate.answer import Estimate, Share, add
from ebpf_overhead.tools.estimate.event_cost import EventCost
from ebpf_overhead.tools.estimate.places import serving


def print_estimate(answer: Estimate, unit: str, console: Console, top: int) -> None:
    """Print an estimate.

    Parameters
    ----------
    answer : Estimate
        The answer.
    unit : str
        ``ns`` or ``instructions``.
    console : rich.console.Console
        Where to print.
    top : int
        Number of attach points to list.
    """
    names = [str(rate.place) for rate in answer.rates]
    what = names[0] if len(names) == 1 else f"{len(names)} places"
    probes = ", ".join(dict.fromkeys(cost.attach for cost in answer.costs))
    program = answer.rates[0].cost.program
    print_line(console, f"{probes} with {program} on {what}", "bold")
    if len(names) > 1:
        _print_places(answer, unit, top, console)
    console.print(_facts(answer, unit))
    if len(answer.alternatives) > 1:
        _print_alternatives(answer, unit, console)
    for place, why in answer.refused.items():
        print_line(console, f"not counted: {place}: {why}", "dim")
    for note in answer.notes:
        print_line(console, note, "dim")
    print_line(console, answer.limit, "dim")
    if answer.budget is not None:
        print_line(console, _verdict(answer, unit), "bold")


def _facts(answer: Estimate, unit: str) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 1))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, value in _fact_rows(answer, unit):
        table.add_row(name, value)
    return table


def _fact_rows(answer: Estimate, unit: str) -> list[tuple[str, str]]:
    rows = [_rate(answer)]
    if answer.compat_per_s:
        rows.append(("32-bit callers", _compat(answer)))
    for cost in answer.costs:
        assert cost.overhead is not None
        on = f" on {cost.instruction}" if cost.instruction else ""
        rows.append(
            ("overhead", f"{_ns(cost.overhead)} {unit} per {cost.attach}{on}, {cost.origin}")
        )
        if cost.per_s:
            rows.append(("", _at_rate(cost)))
    share, total, peak = answer.share, answer.total, answer.peak_share
    assert share is not None
    assert total is not None
    assert peak is not None
    rows.append((_core(unit), _percent(share)))
    if not answer.given:
        rows.append(("", f"{_percent(peak)} in the most expensive second"))
    if answer.bystanders is not None:
        rows.append(("bystanders", f"{_percent(answer.bystanders)} more, in other system calls"))
    if unit != "ns":
        rows.append(("", _EMULATED))
    elif answer.kernel is None:
        machine = total / answer.cpus
        rows.append(("machine", f"{_percent(machine)} of {answer.cpus} CPUs, in all"))
    return rows if answer.given else [*rows, *_seen_rows(answer, unit)]


def _at_rate(cost: EventCost) -> str:
    """Return at which rate a cost was measured."""
    doing = "sleeps" if cost.caller_sleeps else "works"
    text = f"at {cost.per_s:,.0f} events/s of a caller that {doing} in between, the reader asleep"
    if not cost.reader_idle:
        text += "; no CPU was idle"
    return f"{text}; {_short(cost.lost_share)} of records lost" if cost.lost_share else text


def _core(unit: str) -> str:
    """Return of what core the shares are."""
    return "one core" if unit == "ns" else "emulated core"


def _a_core(unit: str) -> str:
    return "one core" if unit == "ns" else "an emulated core"


def _of_core(share: Share, unit: str) -> str:
    return f"{_percent(share)} of {_a_core(unit)}"


# Under icount a guest executes an instruction per ns.
_EMULATED = "of a core that executes an instruction per ns; divide by what yours executes per ns"


def _rate(answer: Estimate) -> tuple[str, str]:
    if answer.given:
        return "runs", f"{answer.mean:,.1f} events/s, as given"
    return (
        "runs now",
        f"{answer.mean:,.1f} events/s (busiest second {answer.peak:,.0f})"
        f" over {answer.seconds:.1f} s",
    )


def _compat(answer: Estimate) -> str:
    hooks = [each for each in serving(SYSCALL) if each.moment == "entry"]
    seeing = ", ".join(each.name for each in hooks if each.system_wide)
    others = ", ".join(each.name for each in hooks if not each.system_wide)
    return (
        f"{answer.compat_per_s:,.1f} calls/s more, by 32-bit programs: seen by {seeing}"
        f" (and priced with the bystanders), not by {others}"
    )


def _seen_rows(answer: Estimate, unit: str) -> list[tuple[str, str]]:
    counting = "unknown" if answer.counting is None else _of_core(answer.counting, unit)
    return [
        ("latency", _latency(answer, unit)),
        ("counting took", f"{counting}, by {_hooks(answer)}"),
    ]


def _latency(answer: Estimate, unit: str) -> str:
    added, seen = answer.added_latency, answer.latency
    if seen is None or seen.corrected_ns is None:
        return "of the workload itself: not measured"
    if added is None:
        return f"of {seen.target} itself: shorter than the tracer can tell"
    return (
        f"+{100 * added:.3g} % of {seen.corrected_ns:,.0f} {unit}: {seen.target} now, on average,"
        f" from {seen.pair.entry} to {seen.pair.exit}, waiting included"
    )


def _hooks(answer: Estimate) -> str:
    return ", ".join(dict.fromkeys(rate.counted_by.partition(":")[0] for rate in answer.rates))


def _print_places(answer: Estimate, unit: str, top: int, console: Console) -> None:
    rows = []
    for rate in answer.rates[:top]:
        share = "" if rate.share is None else _short(rate.share.estimate)
        cells = (f"{rate.mean:,.1f}", f"{rate.peak:,.0f}", share)
        rows.append((str(rate.place), rate.cost.attach, *cells))
    rest = answer.rates[top:]
    if rest:
        events, together = sum(rate.mean for rate in rest), add(rate.share for rate in rest)
        share = "" if together is None else _short(together.estimate)
        rows.append((f"{len(rest)} more", "", f"{events:,.1f}", "", share))
    headings = ("Attach point", "Attach type", "events/s", "busiest second", _core(unit))
    print_table(console, headings, rows, words=(0, 1), dim=[top] if rest else [])


def _print_alternatives(answer: Estimate, unit: str, console: Console) -> None:
    chosen = {cost.attach for cost in answer.costs}
    rows: list[tuple[str, ...]] = []
    dim = []
    for each in answer.alternatives:
        cost = each.cost
        name = f"{cost.attach} ←" if cost.attach in chosen else cost.attach
        if cost.overhead is None or each.share is None:
            dim.append(len(rows))
            rows.append((name, "n/a", cost.status, "", ""))
            continue
        bystanders = "" if each.bystanders is None else _short(each.bystanders.estimate)
        interval = f"{cost.overhead.low:+,.1f} … {cost.overhead.high:+,.1f}"
        estimate, share = f"{cost.overhead.estimate:+,.1f}", _short(each.share.estimate)
        rows.append((name, estimate, interval, share, bystanders))
    headings = ("Attach type", f"{unit} per event", "99% interval", _core(unit), "bystanders")
    print_table(console, headings, rows, title="Alternatives, cheapest first", dim=dim)


def _verdict(answer: Estimate, unit: str) -> str:
    budget, total = answer.budget, answer.total
    assert budget is not None
    assert total is not None
    limit = f"the budget of {100 * budget.share:g} % of {_a_core(unit)}"
    text = {
        "yes": f"yes: {_percent(total)} is within {limit}",
        "no": f"no: {_percent(total)} is over {limit}",
        "unsure": f"not sure: {_percent(total)} may be over {limit}; measure longer",
    }
    return text[budget.verdict]


def _ns(value: Interval) -> str:
    return f"{value.estimate:+,.1f} ({value.low:+,.1f} … {value.high:+,.1f})"


def _percent(share: Share) -> str:
    return f"{_short(share.estimate)} ({_short(share.low, '')} … {_short(share.high)})"


def _short(value: float, unit: str = " %") -> str:
    percent = 100 * value
    digits = 1 if abs(percent) >= 10 else 2 if abs(percent) >= 1 else 4
    return f"{percent:.{digits}f}{unit}"
