"""``ebpf-overhead schema``: the JSON schema of what is written with --format json."""

from __future__ import annotations

import json

import click

from ebpf_overhead.cli.names import NameType
from ebpf_overhead.studies import registry
from ebpf_overhead.tools import records

_EXAMPLES = """
\b
Examples:
  ebpf-overhead schema > record.schema.json
  ebpf-overhead schema map-state
"""


@click.command(name="schema", epilog=_EXAMPLES)
@click.argument(
    "study",
    type=NameType("study", [*registry.STUDIES, *records.RECORDS], metavar="STUDY"),
    default=registry.DEFAULT,
)
def command(study: str) -> None:
    """Print the JSON schema of a study's or a tool's records, by default of measure's."""
    room = registry if study in registry.STUDIES else records
    click.echo(json.dumps(room.schema(study), indent=1))
