"""An estimate for people."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table

from ebpf_overhead.estimate.answer import LIMIT, Estimate, Share, add
from ebpf_overhead.stats import Interval


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
        How many places to list.
    """
    names = [str(rate.place) for rate in answer.rates]
    what = names[0] if len(names) == 1 else f"{len(names)} places"
    probes = ", ".join(cost.attach for cost in answer.costs)
    program = answer.rates[0].cost.program
    console.print(f"[bold]{probes} with {program} on {what}[/bold]", highlight=False)
    if len(names) > 1:
        console.print(_places(answer, top))
    console.print(_facts(answer, unit))
    if len(answer.alternatives) > 1:
        console.print(_alternatives(answer, unit))
    for place, why in answer.refused.items():
        console.print(f"not counted: {place}: {why}", style="dim", markup=False, soft_wrap=True)
    console.print(LIMIT, style="dim", soft_wrap=True)
    if answer.budget is not None:
        console.print(_verdict(answer), highlight=False, style="bold")


def _facts(answer: Estimate, unit: str) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 1))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, value in _fact_rows(answer, unit):
        table.add_row(name, value)
    return table


def _fact_rows(answer: Estimate, unit: str) -> list[tuple[str, str]]:
    rows = [
        (
            "runs now",
            f"{answer.mean:,.1f} events/s (busiest second {answer.peak:,.0f})"
            f" over {answer.seconds:.1f} s",
        )
    ]
    for cost in answer.costs:
        assert cost.overhead is not None
        rows.append(("overhead", f"{_ns(cost.overhead)} {unit} a {cost.attach}, {cost.origin}"))
    share, total, peak = answer.share, answer.total, answer.peak_share
    assert share is not None
    assert total is not None
    assert peak is not None
    rows.append(("one core", _percent(share)))
    rows.append(("", f"{_percent(peak)} in the dearest second"))
    if answer.bystanders is not None:
        rows.append(("bystanders", f"{_percent(answer.bystanders)} more, in other system calls"))
    per_cpu = 1 / answer.cpus
    machine = Share(total.estimate * per_cpu, total.low * per_cpu, total.high * per_cpu)
    rows.append(("machine", f"{_percent(machine)} of {answer.cpus} CPUs, in all"))
    rows.append(("latency", _latency(answer, unit)))
    counting = "not known" if answer.counting is None else f"{_percent(answer.counting)} of a core"
    rows.append(("counting took", f"{counting}, by {_hooks(answer)}"))
    return rows


def _latency(answer: Estimate, unit: str) -> str:
    added, seen = answer.added_latency, answer.latency
    if seen is None or seen.corrected_ns is None:
        return "of the target itself: not measured"
    if added is None:
        return f"of {seen.target} itself: shorter than the tracer can tell"
    return (
        f"+{100 * added:.3g} % of {seen.corrected_ns:,.0f} {unit} (average of {seen.target} now,"
        f" via {seen.way.kind})"
    )


def _hooks(answer: Estimate) -> str:
    return ", ".join(dict.fromkeys(rate.counted_by.partition(":")[0] for rate in answer.rates))


def _places(answer: Estimate, top: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("Place")
    table.add_column("Attach type", no_wrap=True)
    for heading in ("events/s", "busiest second", "one core"):
        table.add_column(heading, justify="right")
    for rate in answer.rates[:top]:
        share = "" if rate.share is None else _short(rate.share.estimate)
        probe = rate.cost.attach
        table.add_row(str(rate.place), probe, f"{rate.mean:,.1f}", f"{rate.peak:,.0f}", share)
    rest = answer.rates[top:]
    if rest:
        events, together = sum(rate.mean for rate in rest), add(rate.share for rate in rest)
        share = "" if together is None else _short(together.estimate)
        table.add_row(f"{len(rest)} more", "", f"{events:,.1f}", "", share, style="dim")
    return table


def _alternatives(answer: Estimate, unit: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="Alternatives, cheapest first", title_justify="left")
    table.add_column("Attach type", no_wrap=True)
    for heading in (f"{unit} an event", "99% interval", "one core", "bystanders"):
        table.add_column(heading, justify="right", no_wrap=True)
    chosen = {cost.attach for cost in answer.costs}
    for each in answer.alternatives:
        cost = each.cost
        mark = " ←" if cost.attach in chosen else ""
        if cost.overhead is None or each.share is None:
            table.add_row(cost.attach + mark, "n/a", cost.status, "", "", style="dim")
            continue
        bystanders = "" if each.bystanders is None else _short(each.bystanders.estimate)
        table.add_row(
            cost.attach + mark,
            f"{cost.overhead.estimate:+,.1f}",
            f"{cost.overhead.low:+,.1f} … {cost.overhead.high:+,.1f}",
            _short(each.share.estimate),
            bystanders,
        )
    return table


def _verdict(answer: Estimate) -> str:
    budget, total = answer.budget, answer.total
    assert budget is not None
    assert total is not None
    limit = f"the budget of {100 * budget.share:g} % of one core"
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
