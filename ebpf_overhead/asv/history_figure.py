"""What probes cost on one kernel after another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ebpf_overhead.asv.history import KernelCosts, Step, attach_types
from ebpf_overhead.hooks.cases import ATTACH_TYPES, STANDARD_ATTACH_TYPES, STANDARD_PROGRAMS
from ebpf_overhead.report.canvas import STYLES, from_zero, panels


def markdown(kernels: Sequence[KernelCosts]) -> str:
    """Return tables with one row per kernel: the call itself, and what each attach type adds.

    A cell holds the programs, in the order of the catalogue.  The further forms of
    tracepoint have a table of their own, where any was measured.
    """
    further = [name for name in attach_types(kernels) if name not in STANDARD_ATTACH_TYPES]
    tables = [_kernels(kernels, STANDARD_ATTACH_TYPES)]
    return "\n".join([*tables, _kernels(kernels, further)] if further else tables)


def _kernels(kernels: Sequence[KernelCosts], columns: Sequence[str]) -> str:
    rows = [
        (
            costs.kernel.release,
            _number(costs.unprobed),
            *(_cell(costs, attach) for attach in columns),
        )
        for costs in kernels
    ]
    return _table(("kernel", "getpid", *columns), 1, rows)


def _cell(costs: KernelCosts, attach: str) -> str:
    values = [costs.overhead.get((attach, program)) for program in STANDARD_PROGRAMS]
    return " / ".join(_number(value) for value in values)


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.0f}"


def reasons_markdown(kernels: Iterable[KernelCosts]) -> str:
    """Return a list of what was not measured and why, an item for each attach type of a kernel."""
    items: dict[str, list[str]] = {}
    for costs in kernels:
        for (attach, program), reason in costs.reasons.items():
            item = f"{costs.kernel.release}, {attach}: {reason}"
            items.setdefault(item, []).append(program)
    return "".join(f"- {item} ({', '.join(programs)})\n" for item, programs in items.items())


def steps_markdown(steps: Iterable[Step]) -> str:
    """Return a table of a row a step: the relative change of each program."""
    rows = [
        (
            f"{step.before.label} → {step.after.label}",
            step.attach,
            *("n/a" if change is None else f"{100 * change:+.1f} %" for change in step.changes),
        )
        for step in steps
    ]
    return _table(("kernels", "attach type", *STANDARD_PROGRAMS), 2, rows)


def _table(headings: Sequence[str], texts: int, rows: Iterable[Sequence[str]]) -> str:
    """Return a table whose first columns are text and the others numbers."""
    alignment = ["---"] * texts + ["--:"] * (len(headings) - texts)
    return "".join(f"| {' | '.join(line)} |\n" for line in (headings, alignment, *rows))


def draw(kernels: Sequence[KernelCosts]) -> Any:
    """Return a figure with a panel a program: a curve an attach type, kernel by kernel."""
    figure, axes = panels(len(STANDARD_PROGRAMS), 4.2, sharey=True)
    for program, axis in zip(STANDARD_PROGRAMS, axes, strict=True):
        _panel(kernels, program, axis)
    from_zero(axes)
    axes[0].set_ylabel("added to a call of getpid (instructions)")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def _panel(kernels: Sequence[KernelCosts], program: str, axis: Any) -> None:
    # Hooks of all system calls cost the same nearly everywhere: drawn smaller and dashed, the
    # later ones show on the first.
    later = [name for name in STANDARD_ATTACH_TYPES if ATTACH_TYPES[name].system_wide][1:]
    for attach in STANDARD_ATTACH_TYPES:
        values = [costs.overhead.get((attach, program)) for costs in kernels]
        axis.plot(
            range(len(kernels)),
            [float("nan") if value is None else value for value in values],
            **STYLES[attach],
            markersize=3.5 if attach in later else 6,
            linestyle="--" if attach in later else "-",
            label=attach,
        )
    axis.set(title=program)
    axis.set_xticks(range(len(kernels)), [costs.label for costs in kernels], rotation=60)
