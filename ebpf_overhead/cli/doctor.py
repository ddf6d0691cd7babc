"""``ebpf-overhead doctor``: what this machine is, what it can measure, what would help."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import click
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ebpf_overhead.cli import options
from ebpf_overhead.cli.output import Output
from ebpf_overhead.errors import ExitStatus, UnsupportedError
from ebpf_overhead.hooks.attach_types import ATTACH_TYPES, REFERENCE, STANDARD_ATTACH_TYPES
from ebpf_overhead.hooks.probe import Support, try_attach
from ebpf_overhead.machine import Advice, Machine, advice, describe, summary
from ebpf_overhead.measure import preflight

# What helps where the kernel's reason brings no remedy of its own.
_REMEDIES = {
    "unsupported": "measure it on another kernel",
    "refused": "run as root",
    "failed": "please report it, with the output of ebpf-overhead doctor --json",
}

_STYLES = {"available": "green", "unsupported": "yellow", "refused": "red", "failed": "bold red"}

# Wide enough for the longest label, so that the sections line up.
_LABEL_COLUMNS = 19


@dataclass(frozen=True)
class Diagnosis:
    """What ``doctor`` found out.

    Attributes
    ----------
    machine : Machine
        What this machine is.
    support : dict of str to Support
        Attach type to whether it can be measured.
    advice : list of Advice
        What would make the measurements better.
    """

    machine: Machine
    support: dict[str, Support]
    advice: list[Advice]

    @property
    def measurable(self) -> bool:
        """Whether anything of the reference grid can be measured."""
        return any(
            found.status == "available" and name in REFERENCE
            for name, found in self.support.items()
        )

    def as_dict(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        return {
            "schema": 1,
            "measurable": self.measurable,
            "machine": self.machine.as_dict(),
            "attach_types": [
                {"attach": name, "reference": name in REFERENCE, **asdict(found)}
                for name, found in self.support.items()
            ],
            "advice": [asdict(each) for each in self.advice],
        }


def diagnose(
    machine: Machine | None = None,
    attempt: Callable[[str], Support] = try_attach,
    attach_types: Iterable[str] = ATTACH_TYPES,
) -> Diagnosis:
    """Look at the machine and try attach types.

    Parameters
    ----------
    machine : Machine, optional
        This one by default.
    attempt : callable
        Tries the attach type of the name given.
    attach_types : iterable of str
        Their names; all by default.

    Returns
    -------
    Diagnosis
        All that was found.
    """
    machine = machine or describe()
    return Diagnosis(machine, {name: attempt(name) for name in attach_types}, advice(machine))


def render(diagnosis: Diagnosis) -> RenderableType:
    """Return the diagnosis in sections with a verdict at the end, for 80 columns or more."""
    sections = [
        ("Machine", _machine_table(diagnosis.machine)),
        ("Attach types", _support(diagnosis.support)),
        ("Advice", _advice_list(diagnosis.advice)),
    ]
    parts: list[RenderableType] = []
    for title, body in sections:
        parts += [Text(title, style="bold underline"), Padding(body, (0, 0, 1, 1), expand=False)]
    return Group(*parts, _verdict(diagnosis))


def _plain_table(*columns: str) -> Table:
    """Return a table without lines; all columns but the last are as narrow as they can be."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for style in columns:
        table.add_column(style=style, no_wrap=True, min_width=_LABEL_COLUMNS if style else None)
    table.add_column(overflow="fold")
    return table


def _machine_table(machine: Machine) -> Table:
    table = _plain_table("cyan")
    for label, value in summary(machine):
        table.add_row(label, Text(value))
    return table


def _support(support: dict[str, Support]) -> RenderableType:
    """Return a row for each of the standard attach types, and the others by what came of them."""
    parts: list[RenderableType] = [
        _support_table({name: support[name] for name in STANDARD_ATTACH_TYPES if name in support})
    ]
    for (status, reason, remedy), names in _by_outcome(support).items():
        line = Text.assemble((f"{status}: ", _STYLES.get(status, "")), (", ".join(names), "cyan"))
        if status != "available":
            line.append(f": {reason}\n").append(f"-> {remedy}", "green")
        parts.append(line)
    return Group(*parts)


def _by_outcome(support: dict[str, Support]) -> dict[tuple[str, str, str], list[str]]:
    """Return the further attach types by status, reason and remedy."""
    outcomes: dict[tuple[str, str, str], list[str]] = {}
    for name, found in support.items():
        if name not in STANDARD_ATTACH_TYPES:
            # Who was refused stands before it already.
            reason = (found.reason or "").replace(f": {name} refused", "")
            remedy = found.remedy or _REMEDIES.get(found.status, "")
            outcomes.setdefault((found.status, reason, remedy), []).append(name)
    return outcomes


def _support_table(support: dict[str, Support]) -> Table:
    table = _plain_table("cyan", "")
    above = None
    for name, found in support.items():
        mark = " *" if name in REFERENCE else ""
        details = _details(found)
        # A missing compiler, for one, is the same story for every attach type.
        repeated = found.status != "available" and details == above
        status = Text(found.status, style=_STYLES.get(found.status, ""))
        table.add_row(name + mark, status, Text("as above", "dim") if repeated else details)
        above = details
    table.caption = "* in the reference benchmark's grid"
    table.caption_justify = "left"
    return table


def _details(found: Support) -> Text:
    if found.status == "available":
        return Text(found.hook or "")
    remedy = found.remedy or _REMEDIES.get(found.status, "")
    return Text.assemble(found.reason or "", "\n", (f"-> {remedy}", "green"))


def _advice_list(found: list[Advice]) -> RenderableType:
    """Return the advice as paragraphs: in a column, the commands would be cut in pieces."""
    if not found:
        return Text("Nothing to improve was found.")
    parts: list[RenderableType] = []
    for each in found:
        parts.append(Text.assemble((f"{each.topic}: ", "cyan"), (each.seen, "bold")))
        parts.append(Padding(Text(each.why), (0, 0, 0, 2), expand=False))
        if each.command:
            parts.append(Padding(Text(f"-> {each.command}", "green"), (0, 0, 0, 2), expand=False))
    return Group(*parts)


def _verdict(diagnosis: Diagnosis) -> Text:
    grid = [name for name in diagnosis.support if name in REFERENCE]
    there = [name for name in grid if diagnosis.support[name].status == "available"]
    if not there:
        return Text("Nothing of the reference grid can be measured here.", style="bold red")
    return Text(
        f"{len(there)} of the reference grid's {len(grid)} attach types can be measured here:"
        f" {', '.join(there)}.",
        style="bold green",
    )


def _require_measurable(diagnosis: Diagnosis) -> None:
    if diagnosis.measurable:
        return
    reasons = {f"{name}: {found.reason}" for name, found in diagnosis.support.items()}
    raise UnsupportedError(
        f"no attach type of the grid works on this kernel ({'; '.join(sorted(reasons))})",
        "ebpf-overhead doctor says what would help",
    )


_EXAMPLES = """
\b
Examples:
  ebpf-overhead doctor
  ebpf-overhead doctor --json | jq '.attach_types[] | .attach, .status'

Exit status: 0 if anything of the reference grid can be measured, 2 bad use, 3 if nothing can.
"""


@click.command("doctor", epilog=_EXAMPLES)
@click.option(
    "--quiet",
    is_flag=True,
    help="Print nothing, or the one line that says why nothing can be measured.",
)
@options.result()
def command(quiet: bool, output: Output) -> None:
    """Show what this machine is, what it can measure, and what would help.

    Every attach type is tried: its program is loaded, attached and detached once.
    """
    if quiet:
        preflight.check()
        diagnosis = diagnose(attach_types=STANDARD_ATTACH_TYPES)
        _require_measurable(diagnosis)
    else:
        diagnosis = diagnose()
        output.show(diagnosis, lambda found, console: console.print(render(found)), _FORMATS)
    output.end(ExitStatus.MEASURED if diagnosis.measurable else ExitStatus.NOTHING_MEASURABLE)


_FORMATS: Mapping[str, Callable[[Diagnosis], str]] = {
    "json": lambda diagnosis: json.dumps(diagnosis.as_dict(), indent=2) + "\n"
}
