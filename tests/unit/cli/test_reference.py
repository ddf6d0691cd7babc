"""The documentation says what the help says: options, defaults, choices, examples, man pages."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess

import click
import pytest
from click.testing import CliRunner
from processes import ROOT

from ebpf_overhead import cli
from ebpf_overhead.cli import reference
from ebpf_overhead.cli.names import NameType

DOCS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES = list(reference.pages())


def commands(command: click.Command = cli.main, words: tuple[str, ...] = ()):
    """Every command with the words that call it."""
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), (*words, name))


COMMANDS = dict(commands())


def flowing(text: str) -> str:
    return " ".join(text.replace(r"\|", "|").replace("`", "").split())


def section(words: tuple[str, ...]) -> str:
    text = (ROOT / "docs/commands.md").read_text()
    heading = " ".join(["## ebpf-overhead", *words])
    return text.partition(f"{heading}\n")[2].partition("\n## ")[0]


def test_the_page_is_what_make_docs_writes():
    assert (ROOT / "docs/commands.md").read_text() == reference.markdown(), "run make docs"


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_page_has_every_option_with_its_default_and_choices(words):
    """Read from the options themselves: the page must not leave out what its maker forgot."""
    page = flowing(section(words))
    shown = CliRunner().invoke(cli.main, [*words, "--help"], terminal_width=10_000).output
    assert page, "every command has a section"
    for param in COMMANDS[words].params:
        if not isinstance(param, click.Option) or param.hidden:
            continue
        for text in (page, flowing(shown)):
            assert all(flag in text for flag in param.opts)
            assert flowing(param.help or "") in text
        if isinstance(param.default, int | float) and not isinstance(param.default, bool):
            assert f"default: {param.default}" in page
        if isinstance(param.type, NameType) and param.type.shows_names:
            assert all(name in page for name in param.type.names())


@pytest.mark.parametrize("words", [words for words in COMMANDS if words], ids=" ".join)
def test_page_has_the_examples_of_the_help(words):
    shown = CliRunner().invoke(cli.main, [*words, "--help"]).output
    for line in re.findall(r"^ +(ebpf-overhead .*)", shown, re.M):
        assert line in section(words)


def named_elsewhere():
    types = {
        param.type.kind: param.type
        for command in COMMANDS.values()
        for param in command.params
        if isinstance(param.type, NameType) and param.type.kind in reference.PAGES
    }
    return [(kind, name) for kind, each in types.items() for name in each.names()]


@pytest.mark.parametrize(("kind", "name"), named_elsewhere())
def test_page_that_the_help_names_has_every_name(kind, name):
    assert name in (ROOT / "docs" / reference.PAGES[kind]).read_text()


def command_lines():
    for path in DOCS:
        text = path.read_text().replace("\\\n", " ")
        for line in re.findall(r"^ {4}(?:\S*/)?ebpf-overhead +([^#\n]*)", text, re.M):
            line = re.split(r" (?:>|\||&&|;) ?| -- ", line)[0].strip()
            if not any(word in line for word in ("…", "...", "$COMMON", "[")):
                yield pytest.param(line, id=f"{path.name}: {line}")


def parsed(words: list[str]) -> None:
    command: click.Command = cli.main
    context = click.Context(command)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        child = command.get_command(context, words[0])
        assert child is not None, f"no command {words[0]}"
        command, words = child, words[1:]
    parser = command.make_parser(click.Context(command))
    given, _, _ = parser.parse_args(words)
    types = {param.name: param for param in command.params}
    for name, value in given.items():
        kind = types[name].type if name in types else None
        if isinstance(kind, NameType):
            for each in value if isinstance(value, list | tuple) else [value]:
                if isinstance(each, str) and types[name].nargs == 1:
                    kind.convert(each, types[name], None)


@pytest.mark.parametrize("line", list(command_lines()))
def test_command_lines_of_the_documentation_are_right(line):
    parsed(shlex.split(line))


def test_a_wrong_command_line_would_be_found():
    for line in ("measure --atach x", "study scale", "measure --attach fentri", "cohabit"):
        with pytest.raises((click.UsageError, AssertionError)):
            parsed(shlex.split(line))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_man_page_has_everything_and_no_error(page, tmp_path):
    text = reference.man_page(page)
    if not shutil.which("groff"):
        pytest.skip("groff is not installed, which would read it")
    shown = subprocess.run(
        ["groff", "-man", "-ww", "-Tascii", "-P-cbou", "-rLL=1000n"],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stderr == ""
    words = flowing(shown.stdout)
    for name, what in [*page.options, *page.commands]:
        assert flowing(name) in words
        assert flowing(what).replace("…", "...")[:60] in words
    for line in page.examples:
        assert flowing(line).replace("…", "...") in words
    assert flowing(page.summary).rstrip(".") in words


def test_make_man_writes_a_page_for_each_command(tmp_path):
    written = reference.write_man_pages(tmp_path / "man")
    assert {path.name for path in written} == {
        "-".join(["ebpf-overhead", *words]) + ".1" for words in COMMANDS
    }
    assert (tmp_path / "man" / "ebpf-overhead-study-scaling.1").read_text().startswith(".TH ")
