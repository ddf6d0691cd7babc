"""What ``--help`` says of every command, as a page of the documentation and as man pages.

python -I -m ebpf_overhead.cli.reference markdown > docs/commands.md
python -I -m ebpf_overhead.cli.reference man DIRECTORY
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from ebpf_overhead import __version__
from ebpf_overhead.cli import main
from ebpf_overhead.cli.endings import PROGRAM
from ebpf_overhead.cli.names import NameType

# Where all names of a kind are, with what they mean.
PAGES = {"attach type": "attach-types.md", "program": "programs.md", "workload": "workloads.md"}
_WIDE = 10_000  # no line of a description is broken


@dataclass(frozen=True)
class Page:
    """A command as its help describes it.

    Attributes
    ----------
    name : str
        With the program's and the group's name: ``ebpf-overhead study scaling``.
    summary : str
        What it does, in a sentence.
    description : str
        The rest of the help's text.
    usage : str
        Its arguments.
    options : list of tuple of str and str
        As the help lists them, and what each is for.
    commands : list of tuple of str and str
        Commands of a group, and what each is for.
    examples : list of str
        Command lines.
    status : str
        What the exit statuses mean.
    """

    name: str
    summary: str
    description: str
    usage: str
    options: list[tuple[str, str]]
    commands: list[tuple[str, str]]
    examples: list[str]
    status: str


def pages() -> Iterator[Page]:
    """Yield every command, each group before its commands."""
    settings = main.context_settings
    yield from _pages(main, click.Context(main, info_name=PROGRAM, **settings))


def _pages(command: click.Command, context: click.Context) -> Iterator[Page]:
    yield _page(command, context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from _pages(child, click.Context(child, info_name=name, parent=context))


def _page(command: click.Command, context: click.Context) -> Page:
    paragraphs = [" ".join(each.split()) for each in (command.help or "").split("\n\n")]
    epilog = command.epilog or ""
    _, _, after = epilog.partition("Exit status:")
    options = [(param, param.get_help_record(context)) for param in command.get_params(context)]
    children = command.list_commands(context) if isinstance(command, click.Group) else []
    return Page(
        name=context.command_path,
        summary=paragraphs[0],
        description="\n\n".join(paragraphs[1:]),
        usage=" ".join(command.collect_usage_pieces(context)),
        options=[(record[0], record[1] + _names(param)) for param, record in options if record],
        commands=[(name, _summary(command, context, name)) for name in children],
        examples=re.findall(rf"^ *({PROGRAM} .*)", epilog.partition("Exit status:")[0], re.M),
        status=" ".join(after.split()),
    )


def _summary(group: click.Command, context: click.Context, name: str) -> str:
    assert isinstance(group, click.Group)
    command = group.get_command(context, name)
    return command.get_short_help_str(_WIDE) if command else ""


def _names(param: click.Parameter) -> str:
    """Return what the help leaves out because there are many: the names, or where they are."""
    kind = param.type
    if not isinstance(kind, NameType) or kind.shows_names or kind.of_this_machine:
        return ""
    page = next((page for name, page in PAGES.items() if kind.kind.startswith(name)), None)
    return f"  [names: {f'docs/{page}' if page else ', '.join(kind.names())}]"


def markdown() -> str:
    """Return the page of all commands."""
    lines = [
        "# Commands\n",
        "What `--help` says, for every command; made from it by `make docs`, and checked by a"
        " test. See also [completion and man pages](shell.md).\n",
    ]
    for page in pages():
        lines += [f"## {page.name}\n", f"    {page.name} {page.usage}\n", f"{page.summary}\n"]
        lines += [f"{page.description}\n"] if page.description else []
        for heading, rows in (("command", page.commands), ("option", page.options)):
            if rows:
                lines += [f"| {heading} | |", "| --- | --- |"]
                lines += [f"| `{_cell(name)}` | {_cell(text)} |" for name, text in rows]
                lines.append("")
        lines += ["Examples:\n", *(f"    {line}" for line in page.examples), ""] * bool(
            page.examples
        )
        lines += [f"Exit status: {page.status}\n"] if page.status else []
    return "\n".join(lines).rstrip() + "\n"


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("<", "&lt;")


def write_man_pages(directory: Path) -> list[Path]:
    """Write a man page for every command into a directory, and return their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for page in pages():
        path = directory / f"{page.name.replace(' ', '-')}.1"
        path.write_text(man_page(page), encoding="utf-8")
        written.append(path)
    return written


def man_page(page: Page) -> str:
    """Return a command's man page, in man(7)'s macros."""
    title = page.name.replace(" ", "-")
    lines = [f'.TH "{title.upper()}" 1 "" "{PROGRAM} {__version__}" "{PROGRAM}"']
    lines += [".ad l", ".SH NAME", f"{_roff(title)} \\- {_roff(page.summary.rstrip('.'))}"]
    lines += [".SH SYNOPSIS", f".B {_roff(page.name)}", _roff(page.usage)]
    lines += [".SH DESCRIPTION", _roff(page.summary)]
    for paragraph in filter(None, page.description.split("\n\n")):
        lines += [".PP", _roff(paragraph)]
    for heading, rows in (("COMMANDS", page.commands), ("OPTIONS", page.options)):
        if rows:
            lines.append(f".SH {heading}")
        for name, text in rows:
            lines += [".TP", f".B {_roff(name)}", _roff(text)]
    if page.examples:
        lines += [".SH EXAMPLES", ".nf", *map(_roff, page.examples), ".fi"]
    if page.status:
        lines += [".SH EXIT STATUS", _roff(page.status)]
    if page.name != PROGRAM:
        parent = page.name.rpartition(" ")[0].replace(" ", "-")
        lines += [".SH SEE ALSO", f".BR {_roff(parent)} (1)"]
    return "\n".join(lines) + "\n"


def _roff(text: str) -> str:
    """Return text that man(7) shows as it is."""
    text = text.replace("\\", r"\e").replace("-", r"\-").replace("…", "...")
    return rf"\&{text}" if text[:1] in (".", "'") else text


def _main(arguments: Sequence[str]) -> int:
    if list(arguments) == ["markdown"]:
        sys.stdout.write(markdown())
        return 0
    if len(arguments) == 2 and arguments[0] == "man":
        print(*write_man_pages(Path(arguments[1])), sep="\n")
        return 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
